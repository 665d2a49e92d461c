"""Runs whose process died or that nobody took: they go on, or come to an honest end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from django.utils import timezone

from apps.conversations import frames, selectors
from apps.conversations.enums import GenerationStatus
from apps.conversations.models import Generation
from apps.conversations.selectors import FAILED_SENTENCE, INTERRUPTED_SENTENCE
from apps.conversations.services import generations
from apps.conversations.services.generations import Outcome
from apps.conversations.services.jobs import Job, job_of
from apps.gateway.services import holds
from parley.errors import NotFound, Problem
from parley.realtime import Event, append_event, read_events
from parley.tenancy import tenant_tx, use_tenant

log = structlog.get_logger(__name__)

# A run that began and died is tried once more when no word had reached anybody.
MAX_ATTEMPTS = 2
WAITS_TOO_LONG = timedelta(seconds=1)
# A process shows an event to its own readers before the log has it. What follows its death is numbered well
# above anything it can have shown, so that a returning reader is behind and gets the text that was kept.
SHOWN_AT_MOST = 1000
_BATCH = 100


def close_orphans() -> int:
    """End or put back runs whose lease ran out, in all tenants; returns how many. Harmless to repeat."""
    dead = Generation.across_tenants.filter(status=GenerationStatus.RUNNING, lease_until__lt=timezone.now())
    rows = list(dead.order_by("lease_until").values_list("tenant_id", "id")[:_BATCH])
    for tenant_id, generation_id in rows:
        with use_tenant(tenant_id):
            _close_orphan(generation_id)
    return len(rows)


def _close_orphan(generation_id: UUID) -> None:
    key = frames.stream_key(generation_id)
    events = read_events(key)
    with tenant_tx():
        generation = (
            Generation.objects.select_for_update()
            .filter(id=generation_id, status=GenerationStatus.RUNNING, lease_until__lt=timezone.now())
            .first()
        )
        if generation is None:
            return
        # From here on the dead attempt, should it wake, writes nothing: neither rows nor log.
        generation.attempt += 1
        shown = _shown_text(generation, events)
        is_silent = not shown and events is not None
        if is_silent and generation.attempt <= MAX_ATTEMPTS:
            _put_back(generation)
            return
        closing = _end(generation, shown, events)
    append_event(key, attempt=generation.attempt, event=Event(generation.seq, closing, True))
    log.warning("generation.interrupted", generation_id=str(generation.id), attempt=generation.attempt)


def _shown_text(generation: Generation, events: list[Event] | None) -> str:
    """The longer of what the rows and the log hold: readers have seen that much."""
    logged = frames.delivered_text(events or [])
    is_whole = bool(events) and events is not None and events[0].seq == 1
    return logged if is_whole and len(logged) > len(generation.text) else generation.text


def _put_back(generation: Generation) -> None:
    _settle(generation, "")
    generation.call_id = None
    generation.attempt -= 1
    generation.status = GenerationStatus.QUEUED
    generation.lease_until = None
    generation.save()
    log.info("generation.put_back", generation_id=str(generation.id))


def _end(generation: Generation, shown: str, events: list[Event] | None) -> str:
    last = max(generation.seq, events[-1].seq if events else 0) + SHOWN_AT_MOST
    _settle(generation, shown)
    generations.write_end(
        generation,
        Outcome(
            GenerationStatus.INTERRUPTED if shown else GenerationStatus.FAILED,
            shown,
            last + 1,
            error=INTERRUPTED_SENTENCE if shown else FAILED_SENTENCE,
        ),
    )
    return selectors.closing_frame(generation)


def _settle(generation: Generation, text: str) -> None:
    if generation.call_id is None:
        return
    try:
        holds.settle_interrupted(call_id=generation.call_id, text=text)
    except NotFound:
        log.warning("generation.call_unknown", generation_id=str(generation.id))


def claim_waiting() -> list[Job]:
    """Claim runs that wait, in all tenants, and gather what they need. One that cannot run ends as failed."""
    waiting = Generation.across_tenants.filter(
        status=GenerationStatus.QUEUED, created_at__lt=timezone.now() - WAITS_TOO_LONG
    )
    jobs = []
    for tenant_id, generation_id in waiting.order_by("id").values_list("tenant_id", "id")[:_BATCH]:
        with use_tenant(tenant_id):
            after = _last_seq(generation_id)
            try:
                with tenant_tx():
                    generation = generations.claim_queued(generation_id)
                    if generation is not None:
                        jobs.append(job_of(generation, after=max(after, generation.seq)))
            except Problem as problem:
                _fail(generation_id, problem.detail)
    return jobs


def _last_seq(generation_id: UUID) -> int:
    events = read_events(frames.stream_key(generation_id))
    return events[-1].seq if events else 0


def _fail(generation_id: UUID, sentence: str) -> None:
    with tenant_tx():
        generation = (
            Generation.objects.select_for_update().filter(id=generation_id, status=GenerationStatus.QUEUED).first()
        )
        if generation is not None:
            if generation.call_id is not None:
                holds.release(call_id=generation.call_id)
            generations.write_end(generation, Outcome(GenerationStatus.FAILED, "", generation.seq + 1, error=sentence))
