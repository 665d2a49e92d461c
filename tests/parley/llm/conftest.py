"""A fake provider for each test, and small builders of requests."""

from collections.abc import Iterator

import pytest

from parley.llm import guard
from parley.llm.fake import FakeProvider


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test of models may leave this machine."""
    monkeypatch.setenv(guard.SWITCH, "1")


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """A provider on a free port, stopped afterwards."""
    with FakeProvider() as provider:
        yield provider
