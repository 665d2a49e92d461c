"""What the jobs of one test saw is not the next one's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parley.jobs import work


@pytest.fixture(autouse=True)
def _forget_what_was_seen() -> Iterator[None]:
    yield
    work.seen.clear()
    work.changes.clear()
    work.behaviour.clear()
