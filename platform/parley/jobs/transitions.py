"""Moves of a job between states that are not its handler's: failing, being given up, and telling its kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from parley.jobs.enums import JobState
from parley.jobs.kinds import Transition, get_kind
from parley.jobs.leases import lease_end
from parley.jobs.models import Job

# 5, 10, 20 … seconds between tries.
FIRST_BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(minutes=10)


def backoff(tries: int) -> timedelta:
    """How long to wait after this many failed tries."""
    doublings = min(max(tries - 1, 0), 10)
    return min(FIRST_BACKOFF * (1 << doublings), MAX_BACKOFF)


def requeue(job: Job, *, sentence: str, signature: str = "", after: timedelta) -> bool:
    """Inside a `tenant_tx()`: back into the queue for later, if the run that failed still has the job."""
    return _leave(job, JobState.QUEUED, sentence, signature, run_after=lease_end(after))


def bury(job: Job, *, sentence: str, signature: str = "") -> bool:
    """Inside a `tenant_tx()`: give the job up with a sentence, if the run that failed still has it."""
    return _leave(job, JobState.DEAD, sentence, signature, finished_at=Now())


def hand_back(job: Job) -> bool:
    """Inside a `tenant_tx()`: back into the queue for whoever is next; the try does not count."""
    return _leave(
        job,
        JobState.QUEUED,
        "",
        job.crash_signature,
        run_after=Now(),
        tries=Greatest(F("tries") - 1, Value(0)),
    )


def tell(job: Job, state: JobState, sentence: str = "") -> None:
    """Inside the transaction of the change: let the job's kind bring its own rows along."""
    on_change = get_kind(job.kind).on_change
    if on_change is not None:
        on_change(Transition(job.id, job.subject_id, job.arguments, state, sentence))


def _leave(job: Job, state: JobState, sentence: str, signature: str, **values: Any) -> bool:
    mine = Job.objects.filter(id=job.id, attempt=job.attempt, state=JobState.RUNNING)
    kept = mine.update(
        state=state, lease_until=None, last_error=sentence[:500], crash_signature=signature[:200], **values
    )
    if kept:
        tell(job, state, sentence)
    return bool(kept)
