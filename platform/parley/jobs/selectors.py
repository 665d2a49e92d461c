"""Reads of jobs for pages and the API. Callers are inside `tenant_tx()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils import timezone

from parley.errors import NotFound
from parley.jobs.enums import OPEN_STATES, JobState
from parley.jobs.kinds import Subject, get_kind
from parley.jobs.models import Job, JobPause

# Below this share of the work an estimate would jump about.
_TELLING_SHARE = 0.02
_TELLING_SECONDS = 2.0


def list_jobs(*, state: str = "", kind: str = "") -> QuerySet[Job]:
    """The tenant's jobs, newest first."""
    jobs: QuerySet[Job] = Job.objects.order_by("-id")
    if state:
        jobs = jobs.filter(state=state)
    return jobs.filter(kind=kind) if kind else jobs


def get_job(job_id: UUID) -> Job:
    """One job. Raises `NotFound`."""
    row: Job | None = Job.objects.filter(id=job_id).first()
    if row is None:
        raise NotFound("There is no such job.")
    return row


def count_by_state() -> dict[JobState, int]:
    """How many jobs stand in each state, zeros included."""
    found = dict(Job.objects.order_by().values_list("state").annotate(jobs=Count("id")))
    return {state: found.get(state.value, 0) for state in JobState}


def open_jobs_of(kind: str, subject_ids: Iterable[UUID]) -> dict[UUID, Job]:
    """The job of each subject that has not ended."""
    rows = Job.objects.filter(kind=kind, subject_id__in=list(subject_ids), state__in=OPEN_STATES).order_by("id")
    return {row.subject_id: row for row in rows if row.subject_id is not None}


def paused_groups(kind: str, group_ids: Iterable[UUID]) -> set[UUID]:
    """Which of these groups are paused by themselves."""
    rows = JobPause.objects.filter(kind=kind, group_id__in=list(group_ids)).values_list("group_id", flat=True)
    return {group_id for group_id in rows if group_id is not None}


def group_is_paused(kind: str, group_field: str) -> Exists:
    """For an annotation: whether the group that a row's field names is paused by itself."""
    return Exists(JobPause.objects.filter(kind=kind, group_id=OuterRef(group_field)))


def words_for_seconds(seconds: float | None) -> str:
    """An estimate in words; empty for none."""
    if seconds is None:
        return ""
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


def seconds_left(job: Job, *, now: datetime | None = None) -> float | None:
    """How long the running stage will still take at its pace so far; None while that would be a guess."""
    if job.state != JobState.RUNNING or job.stage_at is None or not job.total_units or not job.done_units:
        return None
    passed = ((now or timezone.now()) - job.stage_at).total_seconds()
    if passed < _TELLING_SECONDS or job.done_units < job.total_units * _TELLING_SHARE:
        return None
    return max(0.0, passed * (job.total_units - job.done_units) / job.done_units)


def describe(jobs: Iterable[Job]) -> Mapping[UUID, Subject]:
    """What each job is about, by job id; jobs whose subject is gone or has no words are left out."""
    by_kind: dict[str, list[tuple[UUID, UUID]]] = {}
    for row in jobs:
        if row.subject_id is not None:
            by_kind.setdefault(row.kind, []).append((row.id, row.subject_id))
    described: dict[UUID, Subject] = {}
    for kind, rows in by_kind.items():
        words = _describer(kind)
        if words is not None:
            found = words(sorted({subject_id for _, subject_id in rows}))
            described |= {job_id: found[subject_id] for job_id, subject_id in rows if subject_id in found}
    return described


def title_of(kind: str) -> str:
    """What a kind is called on pages; its own name when this Parley does not know it."""
    try:
        return get_kind(kind).title
    except LookupError:
        return kind


def _describer(kind: str) -> Callable[[Sequence[UUID]], Mapping[UUID, Subject]] | None:
    try:
        return get_kind(kind).describe
    except LookupError:
        return None
