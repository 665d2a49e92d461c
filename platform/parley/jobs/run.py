"""A worker's turn: take what is next, run its handler under a lease, and write down how it ended."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, OperationalError

from parley.errors import Problem, TooMany, Unavailable
from parley.jobs import drain
from parley.jobs.announce import hint
from parley.jobs.claims import Claim, charge_time, claim_next, claim_one, others_wait
from parley.jobs.context import JobContext, finish
from parley.jobs.enums import JobState
from parley.jobs.kinds import get_kind
from parley.jobs.models import Job
from parley.jobs.outcomes import CannotPass, MayPass, Stopped, TimedOut, Yielded
from parley.jobs.transitions import backoff, bury, hand_back, requeue
from parley.jobs.watch import watched
from parley.tenancy import require_tenant_id, tenant_tx, use_tenant

log = structlog.get_logger(__name__)

# One message is worth this many seconds of short jobs: asking the broker for each would cost more than many of them.
TURN_SECONDS = 1.0
_INTERRUPTED = "This work was interrupted by an error inside Parley ({name}). It can be tried again."


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a run failed. `signature` names a crash that would look the same the next time."""

    sentence: str
    may_pass: bool
    signature: str = ""
    after: float | None = None


def take_turn(job_class: str) -> int:
    """Run what is next for this class until nothing waits or the turn is over; returns how many jobs ran.

    At the end of a turn that found work the next turn is announced, so a queue of any length is worked off with
    a handful of messages.
    """
    until = time.monotonic() + TURN_SECONDS
    ran = 0
    while not drain.is_asked():
        claim = claim_next(job_class)
        if claim is None:
            return ran
        run_claim(claim)
        ran += 1
        if time.monotonic() >= until:
            break
    hint(job_class, 1)
    return ran


def run_now(job_id: UUID, *, tenant_id: UUID) -> bool:
    """Run one waiting job of this tenant in the caller's thread and connection; False when it is not due."""
    with use_tenant(tenant_id):
        with tenant_tx():
            claim = claim_one(job_id, using=DEFAULT_DB_ALIAS)
        if claim is None:
            return False
        _run(claim, owns_process=False)
    return True


def run_waiting(kind: str, subject_id: UUID) -> bool:
    """Run the newest waiting job of a subject as `run_now` does; False when none is due."""
    tenant_id = require_tenant_id()
    with tenant_tx():
        waiting = Job.objects.filter(kind=kind, subject_id=subject_id, state=JobState.QUEUED).order_by("-id")
        job_id: UUID | None = waiting.values_list("id", flat=True).first()
    return job_id is not None and run_now(job_id, tenant_id=tenant_id)


def run_claim(claim: Claim) -> None:
    """Run a claimed job to one of its ends and charge its tenant for the time."""
    started = time.monotonic()
    try:
        with use_tenant(claim.tenant_id):
            _run(claim, owns_process=True)
    finally:
        charge_time(claim.tenant_id, time.monotonic() - started)


def _run(claim: Claim, *, owns_process: bool) -> None:
    context = JobContext(
        job_id=claim.job_id,
        kind=claim.kind,
        subject_id=claim.subject_id,
        group_id=claim.group_id,
        arguments=claim.arguments,
        attempt=claim.attempt,
    )
    started = time.perf_counter()
    with structlog.contextvars.bound_contextvars(
        tenant_id=str(claim.tenant_id), job_id=str(claim.job_id), job_kind=claim.kind, attempt=claim.attempt
    ):
        outcome = _carry_out(claim, context, owns_process=owns_process)
        log.info("job.ended", outcome=outcome, ms=round((time.perf_counter() - started) * 1000, 1))


def _carry_out(claim: Claim, context: JobContext, *, owns_process: bool) -> str:
    try:
        kind = get_kind(claim.kind)
    except LookupError:
        return _fail(claim, _Failure(f"This Parley does not know jobs of the kind {claim.kind}.", may_pass=False))
    # Whoever runs a job in its own thread holds no slot that others could wait for.
    context.may_yield = kind.yields and owns_process
    context.others_wait = lambda: others_wait(claim.tenant_id, claim.job_class)
    context.is_draining = drain.is_asked
    try:
        with watched(claim, seconds=kind.seconds, owns_process=owns_process):
            kind.handler(context)
        if context.is_complete:
            return "done"
        with tenant_tx():
            return "done" if finish(context) else "superseded"
    except Yielded:
        with tenant_tx():
            hand_back(_row(claim))
        return "yielded"
    except Stopped as stopped:
        return type(stopped).__name__.lower()
    except Exception as error:
        return _fail(claim, _judge(error, kind.seconds))


def _judge(error: Exception, seconds: float) -> _Failure:
    """Whether an error may pass, and the sentence for it."""
    match error:
        case MayPass():
            after = error.after.total_seconds() if error.after else None
            return _Failure(error.sentence, may_pass=True, after=after)
        case CannotPass():
            return _Failure(error.sentence, may_pass=False)
        case TimedOut():
            sentence = f"This took longer than {seconds:.0f} seconds and was stopped."
            return _Failure(sentence, may_pass=True, signature="took too long")
        case Unavailable() | TooMany():
            wait = error.extra.get("retry_after")
            return _Failure(error.detail, may_pass=True, after=float(wait) if isinstance(wait, int | float) else None)
        case Problem():
            return _Failure(error.detail, may_pass=False)
        case OperationalError() | InterfaceError():
            return _Failure("The database was away for a moment.", may_pass=True)
    log.error("job.error", exc_info=error)
    return _Failure(_INTERRUPTED.format(name=type(error).__name__), may_pass=True, signature=_signature(error))


def _signature(error: Exception) -> str:
    """Type and place of an error: the same twice means that a third time would end so too."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 2)[-1]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {place}"


def _fail(claim: Claim, failure: _Failure) -> str:
    """Try again later, or give up: after too many tries, the same crash twice, or what cannot pass."""
    try:
        with tenant_tx():
            row = _row(claim)
            is_same_crash = bool(failure.signature) and row.crash_signature == failure.signature
            if not failure.may_pass or row.tries >= row.max_tries or is_same_crash:
                return "dead" if bury(row, sentence=failure.sentence, signature=failure.signature) else "superseded"
            wait = timedelta(seconds=failure.after) if failure.after is not None else backoff(row.tries)
            kept = requeue(row, sentence=failure.sentence, signature=failure.signature, after=wait)
            return "retried" if kept else "superseded"
    except Job.DoesNotExist:
        return "superseded"
    except DatabaseError as error:
        # The lease runs out, and the job is taken up then.
        log.warning("job.end_not_written", error=type(error).__name__)
        return "lost"


def _row(claim: Claim) -> Job:
    """The job as it stands, with the attempt of this run: writes made with it miss when another one runs."""
    row: Job = Job.objects.get(id=claim.job_id)
    row.attempt = claim.attempt
    return row
