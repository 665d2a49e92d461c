"""A lease holds as long as its worker lives, however long a step takes, and not much longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from apps.knowledge.services import indexing
from parley.jobs.heartbeat import beating
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import reload

Make = Callable[..., Any]


@pytest.mark.django_db(transaction=True)
def test_a_step_longer_than_the_lease_keeps_it(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C-09: nobody takes a document from a worker that is merely slow."""
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    monkeypatch.setattr(indexing, "LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr(indexing, "BEAT_SECONDS", 0.1)
    real = indexing.extract_safely

    def slow(content: bytes, name: str) -> Any:
        time.sleep(1.2)
        held = reload(tenant_a, document.id)
        assert held.lease_expires_at > timezone.now()
        return real(content, name)

    monkeypatch.setattr(indexing, "extract_safely", slow)
    done = index(tenant_a, document)
    assert (done.status, done.lease_expires_at) == ("indexed", None)


def test_it_ends_with_its_block_or_when_the_lease_is_lost() -> None:
    beats: list[int] = []

    def renew() -> bool:
        beats.append(1)
        return len(beats) < 3

    with beating(renew, every_seconds=0.01):
        time.sleep(0.2)
    assert len(beats) == 3
    with beating(lambda: not beats.append(1), every_seconds=60):
        pass
    assert len(beats) == 3


def test_a_database_that_is_away_for_a_beat_does_not_end_it() -> None:
    beats: list[int] = []

    def renew() -> bool:
        beats.append(1)
        if len(beats) == 1:
            raise OperationalError("away")
        return len(beats) < 4

    with beating(renew, every_seconds=0.01):
        time.sleep(0.3)
    assert len(beats) == 4
