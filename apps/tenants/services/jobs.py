"""What an administrator does to background work, written into the audit log."""

from __future__ import annotations

from uuid import UUID

from apps.tenants.services.audit import record
from parley.jobs import control, selectors
from parley.jobs.enums import JobState
from parley.jobs.models import Job


def replay_job(*, job_id: UUID) -> Job:
    """Run a failed or cancelled job again. Raises `NotFound`, `Conflict`."""
    job = control.replay_job(job_id=job_id)
    record(action="job.replayed", target=job, after={"kind": job.kind})
    return job


def cancel_job(*, job_id: UUID) -> Job:
    """End a job that waits or runs. Raises `NotFound`, `Conflict`."""
    job = control.cancel_job(job_id=job_id)
    record(action="job.cancelled", target=job, after={"kind": job.kind})
    return job


def replay_dead_jobs() -> int:
    """Run every failed job again; returns how many."""
    replayed = control.replay_jobs(selectors.list_jobs(state=JobState.DEAD))
    if replayed:
        record(action="jobs.replayed", after={"jobs": replayed})
    return replayed
