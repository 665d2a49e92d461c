"""Kinds of job: what is run, how long it may take, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from celery import current_app

from parley.jobs.enums import JobClass, JobState

if TYPE_CHECKING:
    from parley.jobs.context import JobContext

Handler = Callable[["JobContext"], None]
MAX_SECONDS = 780


@dataclass(frozen=True, slots=True)
class Subject:
    """What a job is about, as a page shows it: a name, and the page below the tenant that shows more."""

    label: str
    url_name: str = ""
    url_kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Transition:
    """A job that came to stand in another state, told to its kind inside the transaction of the change."""

    job_id: UUID
    subject_id: UUID | None
    arguments: Mapping[str, object]
    state: JobState
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class JobKind:
    """How jobs of one kind are run.

    `safe_to_repeat` says in a sentence why a second run does no harm (C-11). `seconds` bounds one run; beyond it
    the run is stopped and counts as failed. `yields` says that a checkpoint may hand the slot to a waiting tenant
    because what was done so far is committed. `on_change` is told about dead, cancelled, paused and queued again;
    `describe` names subjects for the page.
    """

    kind: str
    title: str
    handler: Handler
    safe_to_repeat: str
    job_class: JobClass = JobClass.BULK
    seconds: float = 300.0
    max_tries: int = 3
    yields: bool = False
    on_change: Callable[[Transition], None] | None = None
    describe: Callable[[Sequence[UUID]], Mapping[UUID, Subject]] | None = None


_kinds: dict[str, JobKind] = {}


def job(
    *,
    kind: str,
    title: str,
    safe_to_repeat: str,
    job_class: JobClass = JobClass.BULK,
    seconds: float = 300.0,
    max_tries: int = 3,
    yields: bool = False,
    on_change: Callable[[Transition], None] | None = None,
    describe: Callable[[Sequence[UUID]], Mapping[UUID, Subject]] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare the handler of a kind. It runs for the job's tenant and opens its own `tenant_tx()`.

    Raises `ValueError` for a kind without a reason why repeating is harmless, or one that runs too long.
    """
    if not safe_to_repeat.strip():
        raise ValueError(f"Say why repeating {kind} does no harm.")
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{kind} may run {MAX_SECONDS} s at most: cut it into steps.")

    def register(handler: Handler) -> Handler:
        _kinds[kind] = JobKind(
            kind, title, handler, safe_to_repeat, job_class, seconds, max_tries, yields, on_change, describe
        )
        return handler

    return register


def get_kind(kind: str) -> JobKind:
    """The kind by its name. Raises `LookupError`."""
    if kind not in _kinds:
        # A web process has not discovered the apps' tasks yet.
        current_app.loader.import_default_modules()
    try:
        return _kinds[kind]
    except KeyError:
        raise LookupError(f"There is no kind of job named {kind!r}.") from None


def list_kinds() -> list[JobKind]:
    """Every kind that is declared, by name."""
    current_app.loader.import_default_modules()
    return sorted(_kinds.values(), key=lambda kind: kind.kind)
