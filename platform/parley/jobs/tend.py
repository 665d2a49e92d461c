"""What the tick does: takes up what dead workers left, and tells workers what the broker may have lost."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connections
from django.db.models import Count
from django.db.models.functions import Now

from parley.jobs.announce import hint
from parley.jobs.enums import JobState
from parley.jobs.leases import lease_end
from parley.jobs.models import Job
from parley.jobs.transitions import bury, requeue
from parley.tenancy import tenant_tx
from parley.tenancy.managers import PLATFORM_ALIAS

log = structlog.get_logger(__name__)

KEEP = {JobState.DONE: timedelta(days=3), JobState.CANCELLED: timedelta(days=14), JobState.DEAD: timedelta(days=60)}
_BATCH = 200
_REAPS_EVERY = 2.0
_reaped_at = float("-inf")
_DELETE_BATCH = 5_000
# Enough to wake every slot; each turn announces the next by itself.
_WAKES = 8
_LOST = "The process that did this work ended without a word, as it does when it is killed or runs out of memory."


def reap() -> int:
    """Requeue jobs whose lease ran out, or give them up after too many tries; returns how many."""
    expired = Job.across_tenants.filter(state=JobState.RUNNING, lease_until__lt=Now()).order_by("lease_until")
    found: list[tuple[UUID, UUID, int]] = list(expired.values_list("tenant_id", "id", "attempt")[:_BATCH])
    for tenant_id, job_id, attempt in found:
        with tenant_tx(tenant_id):
            row = Job.objects.select_for_update(skip_locked=True).filter(id=job_id, attempt=attempt).first()
            if row is None:
                continue
            if row.tries >= row.max_tries:
                bury(row, sentence=_LOST)
            else:
                # At once the first time: what was killed from outside has nothing to wait for.
                requeue(row, sentence=_LOST, after=timedelta(seconds=5 * (row.tries - 1)))
    if found:
        log.info("jobs.reaped", count=len(found))
    return len(found)


def reap_if_due() -> int:
    """`reap`, once in two seconds at most. The tick's message may lie behind much work and expire there."""
    global _reaped_at
    now = time.monotonic()
    if now - _reaped_at < _REAPS_EVERY:
        return 0
    _reaped_at = now
    return reap()


def announce_due() -> int:
    """Tell workers about due jobs of each class; returns how many messages were needed."""
    waiting = (
        Job.across_tenants.filter(state=JobState.QUEUED, run_after__lte=lease_end(timedelta(0)))
        .values("job_class")
        .annotate(jobs=Count("id"))
        .values_list("job_class", "jobs")
    )
    return sum(_wake(job_class, jobs) for job_class, jobs in waiting)


def _wake(job_class: str, jobs: int) -> int:
    return hint(job_class, min(jobs, _WAKES), at_most=_WAKES)


def tidy() -> int:
    """Delete ended jobs after their time, dead ones last; returns how many."""
    deleted = 0
    with connections[PLATFORM_ALIAS].cursor() as cursor:
        for state, age in KEEP.items():
            cursor.execute(
                "DELETE FROM jobs_job WHERE id IN (SELECT id FROM jobs_job "
                "WHERE finished_at < now() - make_interval(secs => %s) AND state = %s LIMIT %s)",
                [age.total_seconds(), state.value, _DELETE_BATCH],
            )
            deleted += cursor.rowcount
    return deleted
