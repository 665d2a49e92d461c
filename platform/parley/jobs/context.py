"""What a handler sees of its job: ids in, progress out, and a word when it should stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from parley.jobs.enums import JobState
from parley.jobs.leases import LEASE, lease_end
from parley.jobs.models import Job
from parley.jobs.outcomes import Cancelled, Paused, Superseded, Yielded
from parley.tenancy import tenant_tx

# A page that is looked at asks every second or two; writing more often would serve nobody.
SHOWN_EVERY = 0.5
# After this long a run that can yield asks whether others wait, and then every second.
SLICE_SECONDS = 3.0
ASKS_EVERY = 1.0


@dataclass(slots=True)
class JobContext:
    """One run of one job. `attempt` is the fencing token for writes that only the current run may make."""

    job_id: UUID
    kind: str
    subject_id: UUID | None
    group_id: UUID | None
    arguments: Mapping[str, object]
    attempt: int
    may_yield: bool = False
    others_wait: Callable[[], bool] = field(default=lambda: False, repr=False)
    is_draining: Callable[[], bool] = field(default=lambda: False, repr=False)
    is_complete: bool = False
    _started: float = field(default_factory=time.monotonic, repr=False)
    _shown_at: float = field(default=0.0, repr=False)
    _asked_at: float = field(default=0.0, repr=False)
    _stage: str = field(default="", repr=False)

    def subject(self) -> UUID:
        """The row this job is about. Raises `ValueError` when it was submitted without one."""
        if self.subject_id is None:
            raise ValueError(f"A job of {self.kind} needs a subject.")
        return self.subject_id

    def progress(self, done: int, total: int, stage: str) -> None:
        """Show how far the work is; also a checkpoint. Written at most twice a second, stages always.

        Call it outside a transaction, after committing a step. Raises what `checkpoint` raises.
        """
        is_new_stage = stage != self._stage
        now = time.monotonic()
        if is_new_stage or now - self._shown_at >= SHOWN_EVERY or done >= total:
            self._shown_at, self._stage = now, stage
            shown = {"stage": stage, "done_units": done, "total_units": total, "lease_until": lease_end(LEASE)}
            if is_new_stage:
                shown["stage_at"] = Now()
            with tenant_tx():
                kept = self._mine().update(**shown)
            if not kept:
                self._explain()
        self._yield_if_asked()

    def checkpoint(self) -> None:
        """Stop here if the job is no longer this run's: raises `Cancelled`, `Paused`, `Superseded` or `Yielded`."""
        with tenant_tx():
            kept = self._mine().exists()
        if not kept:
            self._explain()
        self._yield_if_asked()

    def fence(self, *, is_step: bool) -> None:
        """Inside a transaction: raises as `checkpoint` unless the job is still this run's then.

        The job stays locked until the commit, so take it before rows that a cancellation would change. A step is
        work that will not be done again; it shows that the job gets on, so tries are counted anew from there.
        """
        anew = {"tries": 0, "crash_signature": ""} if is_step else {}
        with tenant_tx():
            kept = self._mine().update(lease_until=lease_end(LEASE), **anew)
        if not kept:
            self._explain()

    def complete(self) -> None:
        """Mark the job done inside the caller's own transaction: effect and end are one. Raises `Superseded`."""
        with tenant_tx():
            if not finish(self):
                self._explain()
        self.is_complete = True

    def _mine(self) -> QuerySet[Job]:
        return Job.objects.filter(id=self.job_id, attempt=self.attempt, state=JobState.RUNNING)

    def _explain(self) -> None:
        with tenant_tx():
            row = Job.objects.filter(id=self.job_id).values_list("state", "attempt").first()
        if row is not None and row[1] == self.attempt:
            if row[0] == JobState.CANCELLED:
                raise Cancelled
            if row[0] == JobState.PAUSED:
                raise Paused
        raise Superseded

    def _yield_if_asked(self) -> None:
        if not self.may_yield:
            return
        if self.is_draining():
            raise Yielded
        now = time.monotonic()
        if now - self._started >= SLICE_SECONDS and now - self._asked_at >= ASKS_EVERY:
            self._asked_at = now
            if self.others_wait():
                raise Yielded


def finish(context: JobContext) -> bool:
    """Inside a `tenant_tx()`: done, if the job is still this run's."""
    mine = Job.objects.filter(id=context.job_id, attempt=context.attempt, state=JobState.RUNNING)
    return bool(
        mine.update(
            state=JobState.DONE,
            lease_until=None,
            finished_at=Now(),
            last_error="",
            crash_signature="",
            done_units=F("total_units"),
        )
    )
