"""A lease holds as long as its worker lives, however long a step takes, and not much longer."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from parley.jobs import watch
from parley.jobs.context import JobContext
from parley.jobs.heartbeat import beating
from parley.jobs.models import Job
from parley.jobs.submit import submit
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.parley.jobs import work


@pytest.mark.django_db(transaction=True)
def test_a_step_longer_than_the_lease_keeps_it(tenant_a: TenantWithKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """C-09: nobody takes a job from a worker that is merely slow."""
    monkeypatch.setattr(watch, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    held: list[bool] = []

    def slow(context: JobContext) -> None:
        with tenant_tx():
            Job.objects.filter(id=context.job_id).update(lease_until=timezone.now() + timedelta(seconds=0.3))
        time.sleep(0.8)
        with tenant_tx():
            held.append(Job.objects.get(id=context.job_id).lease_until > timezone.now())

    monkeypatch.setitem(work.behaviour, "note", slow)
    with tenant_tx(tenant_a.tenant.id):
        job_id = submit("tests.note")
    with tenant_tx(tenant_a.tenant.id):
        done = Job.objects.get(id=job_id)
    assert (done.state, done.lease_until, held) == ("done", None, [True])


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
