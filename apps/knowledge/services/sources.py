"""Adding, changing, syncing and deleting sources: the addresses a knowledge base is filled from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.utils import timezone

from apps.knowledge.crawl.addresses import identity
from apps.knowledge.models import Document, Source, SourcePage, SourceRun
from apps.knowledge.selectors import get_knowledge_base, get_source
from apps.knowledge.services.crawl_rows import drop_frontier
from apps.knowledge.services.describing import retag
from apps.knowledge.services.documents import delete_documents
from apps.knowledge.services.source_settings import SourceSettings, checked_source
from apps.knowledge.source_enums import OPEN_RUN, PageState, RunState, RunTrigger, SourceSchedule
from apps.tenants.services.audit import record
from parley.errors import Conflict
from parley.jobs import Subject, Transition
from parley.jobs.control import cancel_jobs
from parley.jobs.enums import JobState
from parley.jobs.models import Job
from parley.jobs.submit import submit

SYNC_JOB = "knowledge.sync_source"
_AWAITED_FOR = timedelta(minutes=2)
_INTERVALS = {
    SourceSchedule.HOURLY: timedelta(hours=1),
    SourceSchedule.DAILY: timedelta(days=1),
    SourceSchedule.WEEKLY: timedelta(weeks=1),
}


def create_source(
    *, knowledge_base_id: UUID, address: str, settings: SourceSettings | None = None, is_awaited: bool = False
) -> Source:
    """A new source, and its first sync after commit; `is_awaited` as in `start_run`.

    Raises `NotFound`; `Invalid` with sentences by field, also for addresses that may not be called; `Conflict` when
    the knowledge base has this source already.
    """
    base = get_knowledge_base(knowledge_base_id)
    values = checked_source(address, settings or SourceSettings())
    known = {identity(each.address): each for each in Source.objects.filter(knowledge_base=base, kind=values["kind"])}
    same = known.get(identity(values["address"]))
    if same is not None:
        raise Conflict("This address is a source of this knowledge base already.", source_id=str(same.id))
    source: Source = Source.objects.create(
        knowledge_base=base, next_run_at=_next_run(values["schedule"], timezone.now()), **values
    )
    record(action="source.created", target=source, after=values)
    start_run(source_id=source.id, trigger=RunTrigger.ADDED, is_awaited=is_awaited)
    return source


def update_source(*, source_id: UUID, address: str | None = None, **changes: Any) -> Source:
    """Change what is given; the next sync takes it over, but access tags count at once.

    Its documents lose the tags that the source had and get those it has now; what else they were given stays.
    Raises `NotFound`, `Invalid`, `Conflict`.
    """
    source = get_source(source_id, for_update=True)
    before = _values(source)
    settings = SourceSettings(
        **{each.name: changes.get(each.name, before[each.name]) for each in fields(SourceSettings)}
    )
    after = checked_source(source.address if address is None else address, settings)
    if after == before:
        return source
    others = Source.objects.filter(
        knowledge_base_id=source.knowledge_base_id, kind=after["kind"], address=after["address"]
    )
    if others.exclude(id=source.id).exists():
        raise Conflict("This address is a source of this knowledge base already.")
    for name, value in after.items():
        setattr(source, name, value)
    if after["address"] != before["address"]:
        source.resolved_address = ""
    if after["schedule"] != before["schedule"]:
        source.next_run_at = _next_run(after["schedule"], timezone.now())
    source.save()
    if after["access_tags"] != before["access_tags"]:
        old, new = set(before["access_tags"]), set(after["access_tags"])
        # A page that two sources lead to names the one that fetched it last.
        pages = SourcePage.objects.filter(source=source, state=PageState.CURRENT).exclude(document=None)
        is_held = Q(source=source) | Q(id__in=pages.values("document_id"))
        held = Document.objects.filter(is_held, deleted_at=None).select_for_update().order_by("id")
        retag(held, lambda tags: (tags - old) | new)
    changed = {name for name in after if after[name] != before[name]}
    record(
        action="source.updated",
        target=source,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return source


def delete_source(*, source_id: UUID, with_documents: bool) -> int:
    """Delete a source with its log; its documents go too, or stay as if they had been uploaded. Returns how many.

    A running sync stops. Documents that another source still has stay in any case.
    """
    source = get_source(source_id, for_update=True)
    _stop(source)
    pages = SourcePage.objects.filter(source=source, state=PageState.CURRENT)
    ids = list(pages.exclude(document=None).values_list("document_id", flat=True))
    count = len(ids)
    if with_documents:
        shared = SourcePage.objects.filter(document_id__in=ids, state=PageState.CURRENT).exclude(source=source)
        kept = set(shared.values_list("document_id", flat=True))
        doomed = [each for each in ids if each not in kept]
        delete_documents(knowledge_base_id=source.knowledge_base_id, document_ids=doomed)
        count -= len(kept)
    record(
        action="source.deleted",
        target=source,
        before={"address": source.address, "documents": len(ids), "with_documents": with_documents},
    )
    Document.objects.filter(source=source).update(source=None)
    SourcePage.objects.filter(source=source).delete()
    source.delete()
    return count


def start_run(
    *,
    source_id: UUID,
    trigger: str = RunTrigger.MANUAL,
    accepts_losses: bool = False,
    fire_at: datetime | None = None,
    is_awaited: bool = False,
) -> SourceRun:
    """Start a sync after commit. With `accepts_losses` pages that are gone are deleted however many they are.

    One that `is_awaited` is run by the caller itself; its job only picks it up if the caller dies.

    Raises `NotFound`; `Conflict` while one is running.
    """
    source = get_source(source_id, for_update=True)
    if SourceRun.objects.filter(source=source, state__in=OPEN_RUN).exists():
        raise Conflict("This source is being synced already. Wait until that is finished, or cancel it.")
    run: SourceRun = SourceRun.objects.create(
        source=source, trigger=trigger, accepts_losses=accepts_losses, fire_at=fire_at
    )
    later = timezone.now() + _AWAITED_FOR if is_awaited else None
    submit(SYNC_JOB, subject_id=run.id, group_id=source.id, run_after=later)
    return run


def start_due_run(*, source_id: UUID, fire_at: datetime) -> SourceRun | None:
    """Start the sync that was due at `fire_at`, once; None when that happened already or one is running.

    Times that were missed while nothing ran are left out.
    """
    source: Source | None = Source.objects.select_for_update().filter(id=source_id, next_run_at=fire_at).first()
    if source is None:
        return None
    source.next_run_at = _next_run(source.schedule, max(fire_at, timezone.now() - _interval(source.schedule)))
    source.save(update_fields=["next_run_at", "updated_at"])
    try:
        return start_run(source_id=source.id, trigger=RunTrigger.SCHEDULE, fire_at=fire_at)
    except Conflict:
        return None


def cancel_run(*, source_id: UUID) -> bool:
    """Stop a source's sync; what it took in so far stays, nothing is deleted. False when none is running."""
    source = get_source(source_id, for_update=True)
    if not _stop(source):
        return False
    record(action="source.sync_cancelled", target=source)
    return True


def describe_runs(run_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """What the jobs page says a sync is about."""
    runs = SourceRun.objects.filter(id__in=run_ids).select_related("source")
    return {run.id: Subject(label=run.source.address) for run in runs}


def follow_job(change: Transition) -> None:
    """Let a run end or go on with its job: cancelled or given up there, or run again by hand."""
    runs = SourceRun.objects.select_related("source")
    run: SourceRun | None = runs.filter(id=change.subject_id).first() if change.subject_id else None
    if run is None:
        return
    if change.state == JobState.CANCELLED:
        _end(run, RunState.CANCELLED, "")
    elif change.state == JobState.DEAD:
        _end(run, RunState.FAILED, f"{change.sentence} Nothing was deleted.")
    elif change.state == JobState.QUEUED and run.state in (RunState.FAILED, RunState.CANCELLED):
        others = SourceRun.objects.filter(source=run.source, state__in=OPEN_RUN)
        if not others.exists():
            SourceRun.objects.filter(id=run.id).update(state=RunState.QUEUED, message="", ended_at=None)


def _stop(source: Source) -> bool:
    run = SourceRun.objects.filter(source=source, state__in=OPEN_RUN).select_related("source").first()
    if run is None:
        return False
    _end(run, RunState.CANCELLED, "")
    cancel_jobs(Job.objects.filter(kind=SYNC_JOB, subject_id=run.id))
    return True


def _end(run: SourceRun, state: RunState, message: str) -> None:
    now = timezone.now()
    # The higher attempt makes whoever is working on it stop.
    ended = SourceRun.objects.filter(id=run.id, state__in=OPEN_RUN).update(
        state=state, message=message[:500], attempt=F("attempt") + 1, ended_at=now, updated_at=now
    )
    if ended:
        drop_frontier(run.source)


def _values(source: Source) -> dict[str, Any]:
    return {"address": source.address} | {each.name: getattr(source, each.name) for each in fields(SourceSettings)}


def _interval(schedule: str) -> timedelta:
    return _INTERVALS.get(SourceSchedule(schedule), timedelta())


def _next_run(schedule: str, after: datetime) -> datetime | None:
    return after + _interval(schedule) if schedule != SourceSchedule.NONE else None
