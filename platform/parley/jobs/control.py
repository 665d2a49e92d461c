"""What people may do to jobs: cancel, pause, resume, and run dead ones again. Callers are inside `tenant_tx()`."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from parley.errors import Conflict, NotFound
from parley.jobs.announce import announce
from parley.jobs.enums import OPEN_STATES, JobState
from parley.jobs.models import Job, JobPause
from parley.jobs.submit import is_paused
from parley.jobs.transitions import tell
from parley.tenancy import require_tenant_id, tenant_tx


def cancel_job(*, job_id: UUID) -> Job:
    """End a job that waits or runs; a running one stops at its next checkpoint. Raises `NotFound`, `Conflict`."""
    return _one(job_id, cancel_jobs, "This job has ended already.")


def replay_job(*, job_id: UUID) -> Job:
    """Run a dead or cancelled job again, with all its tries. Raises `NotFound`, `Conflict`."""
    return _one(job_id, replay_jobs, "Only a job that failed or was cancelled can be run again.")


def cancel_jobs(jobs: QuerySet[Job]) -> int:
    """End those that have not ended; returns how many."""
    return _move(jobs, OPEN_STATES, JobState.CANCELLED)


def replay_jobs(jobs: QuerySet[Job]) -> int:
    """Queue the dead and cancelled ones again; returns how many."""
    return _move(jobs, (JobState.DEAD, JobState.CANCELLED), JobState.QUEUED)


def pause(*, kind: str, group_id: UUID | None = None) -> int:
    """Let jobs of a kind wait, for the tenant or a group, also those to come; returns how many were open."""
    with tenant_tx():
        if not JobPause.objects.filter(kind=kind, group_id=group_id).exists():
            JobPause.objects.bulk_create([JobPause(kind=kind, group_id=group_id)], ignore_conflicts=True)
        return _move(_of(kind, group_id), (JobState.QUEUED, JobState.RUNNING), JobState.PAUSED)


def resume(*, kind: str, group_id: UUID | None = None) -> int:
    """Let them run again; returns how many waited."""
    with tenant_tx():
        JobPause.objects.filter(kind=kind, group_id=group_id).delete()
        waiting = _of(kind, group_id)
        if is_paused(kind, group_id):
            return 0
        return _move(waiting, (JobState.PAUSED,), JobState.QUEUED)


def _of(kind: str, group_id: UUID | None) -> QuerySet[Job]:
    jobs: QuerySet[Job] = Job.objects.filter(kind=kind)
    return jobs if group_id is None else jobs.filter(group_id=group_id)


def _one(job_id: UUID, move: Callable[[QuerySet[Job]], int], refusal: str) -> Job:
    with tenant_tx():
        if not move(Job.objects.filter(id=job_id)):
            if not Job.objects.filter(id=job_id).exists():
                raise NotFound("There is no such job.")
            raise Conflict(refusal)
        row: Job = Job.objects.get(id=job_id)
    return row


def _move(jobs: QuerySet[Job], origins: tuple[JobState, ...], state: JobState) -> int:
    """Bring jobs from one of these states to another, tell their kinds, and wake workers where there is work."""
    tenant_id = require_tenant_id()
    with tenant_tx():
        rows = list(jobs.filter(state__in=origins).select_for_update().order_by("id"))
        ends = {"finished_at": Now() if state == JobState.CANCELLED else None, "lease_until": None}
        starts_anew = {"tries": 0, "run_after": Now(), "crash_signature": ""} if state == JobState.QUEUED else {}
        Job.objects.filter(id__in=[row.id for row in rows]).update(state=state, **ends, **starts_anew)
        for row in rows:
            tell(row, state)
            if state == JobState.QUEUED:
                _announce_later(row, tenant_id)
    return len(rows)


def _announce_later(row: Job, tenant_id: UUID) -> None:
    transaction.on_commit(lambda: announce(row.job_class, tenant_id=tenant_id, job_id=row.id), robust=True)
