"""The writes of a run. Each names its attempt: a run that was overtaken changes nothing (S-07)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils import timezone

from apps.assistants.contracts import BoundCitation, SentenceChecked
from apps.conversations import frames, presentation, selectors
from apps.conversations.enums import OPEN_STATUSES, GenerationStatus
from apps.conversations.models import Citation, Generation, Message
from apps.conversations.services import rows
from apps.gateway import selectors as gateway
from apps.gateway.contracts import FailedCall, ModelChoice
from apps.gateway.services import holds
from parley.errors import NotFound
from parley.llm import Usage
from parley.tenancy import require_tenant_id, tenant_tx

LEASE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `call_id` is the call that has to be settled if the process dies."""

    generation_id: UUID
    attempt: int
    seq: int
    text: str
    call_id: UUID | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `usage` None: the call broke off and is charged by what was read and written."""

    status: GenerationStatus
    text: str
    seq: int
    error: str = ""
    citations: Sequence[BoundCitation] = field(default=())
    checks: Sequence[SentenceChecked] = field(default=())
    call_id: UUID | None = None
    unused_call_id: UUID | None = None
    usage: Usage | None = None
    choice: ModelChoice | None = None
    # What the last call said, when others said something before it.
    call_text: str | None = None
    failed: Sequence[FailedCall] = field(default=())
    route_reason: str = ""
    is_settled: bool = False
    first_text_at: datetime | None = None


def checkpoint(progress: Sequence[Progress]) -> dict[UUID, bool]:
    """Make texts durable and renew leases of one tenant's runs in one statement.

    Returns, for each run that still holds its lease, whether somebody wants it cancelled.
    """
    if not progress:
        return {}
    values = ", ".join(["(%s::uuid, %s::int, %s::int, %s::text, %s::uuid)"] * len(progress))
    parameters: list[Any] = [LEASE_SECONDS]
    for item in progress:
        parameters += [item.generation_id, item.attempt, item.seq, item.text, item.call_id]
    with tenant_tx(), connection.cursor() as cursor:
        cursor.execute(
            # Only placeholders are put into the text.
            "UPDATE conversations_generation AS g SET text = v.text, seq = v.seq, "  # noqa: S608 - see above
            "call_id = COALESCE(v.call_id, g.call_id), lease_until = now() + make_interval(secs => %s) "
            f"FROM (VALUES {values}) AS v (id, attempt, seq, text, call_id) "
            "WHERE g.id = v.id AND g.attempt = v.attempt AND g.status = 'running' AND g.tenant_id = %s "
            "RETURNING g.id, g.is_cancel_wanted",
            [*parameters, require_tenant_id()],
        )
        return dict(cursor.fetchall())


def finish(*, generation_id: UUID, attempt: int, outcome: Outcome) -> str | None:
    """Write the end of a run in one transaction: text, citations, usage, money. Returns the closing frame.

    None when the attempt no longer owns the run; then nothing was changed. Opens its own `tenant_tx`.
    """
    with tenant_tx():
        generation = (
            Generation.objects.select_related("message")
            .select_for_update(of=("self",))
            .filter(id=generation_id, attempt=attempt, status=GenerationStatus.RUNNING)
            .first()
        )
        if generation is None:
            return None
        message, citations = write_end(generation, outcome)
        return frames.closing(
            generation.id,
            generation.seq,
            presentation.assembled(message, generation, citations, None),
            failure=None if outcome.status in selectors.ENDED_WELL else outcome.error,
        )


def write_end(generation: Generation, outcome: Outcome) -> tuple[Message, list[Citation]]:
    """The end of a locked run, inside the caller's `tenant_tx`: the run, its message, its citations, its money."""
    usage = outcome.usage or Usage(0, 0)
    generation.status = outcome.status
    generation.text = outcome.text
    generation.seq = outcome.seq
    generation.error = outcome.error
    generation.lease_until = None
    generation.finished_at = timezone.now()
    generation.first_text_at = outcome.first_text_at
    generation.input_tokens = usage.input_tokens
    generation.output_tokens = usage.output_tokens
    if outcome.choice is not None:
        generation.model_label = outcome.choice.label[:200]
    generation.failed_calls = [_failed_call(call) for call in outcome.failed]
    generation.route_reason = outcome.route_reason[:300]
    message: Message = generation.message
    message.text = outcome.text
    message.checks = [presentation.check_dict(checked) for checked in outcome.checks] or None
    citations = Citation.objects.bulk_create(_citations(generation, outcome.citations))
    cost = _settle(outcome)
    if outcome.call_id is not None:
        generation.call_id = outcome.call_id
        generation.cost = cost + _cost_of_failed(outcome)
    rows.store_end(generation, message)
    return message, citations


def _citations(generation: Generation, bound: Sequence[BoundCitation]) -> list[Citation]:
    unique = {citation.marker: citation for citation in bound}
    return [
        Citation(
            message_id=generation.message_id,
            marker=citation.marker,
            chunk_id=citation.source.chunk_id,
            document_id=citation.source.document_id,
            title=citation.source.title[:500],
            location=citation.source.location[:500],
            url=citation.source.url,
            text=citation.source.text,
            quote=citation.quote or "",
        )
        for citation in unique.values()
    ]


def _settle(outcome: Outcome) -> Decimal:
    """Close the run's calls; US dollars that the one which answered has cost."""
    if outcome.unused_call_id is not None:
        holds.release(call_id=outcome.unused_call_id)
    if outcome.call_id is None:
        return Decimal(0)
    if outcome.is_settled:
        return gateway.cost_of_call(outcome.call_id) or Decimal(0)
    if outcome.usage is not None:
        return holds.settle(call_id=outcome.call_id, usage=outcome.usage)
    text = outcome.text if outcome.call_text is None else outcome.call_text
    return holds.settle_interrupted(call_id=outcome.call_id, text=text)


def _cost_of_failed(outcome: Outcome) -> Decimal:
    """US dollars that the answer's other calls were charged; one that was repeated on the same hold counts once."""
    others = {call.call_id for call in outcome.failed} - {outcome.call_id}
    return sum((gateway.cost_of_call(call_id) or Decimal(0) for call_id in others), Decimal(0))


def _failed_call(call: FailedCall) -> dict[str, Any]:
    return {
        "call_id": str(call.call_id),
        "model": call.label,
        "kind": call.kind,
        "sentence": call.sentence,
        "characters": call.characters,
    }


def want_cancel(generation_id: UUID) -> Generation:
    """Note that a run shall stop. Runs inside the caller's `tenant_tx`. Raises `NotFound`.

    A run nobody works on ends at once; the process that works on another one is told after commit.
    """
    generation = Generation.objects.select_for_update().filter(id=generation_id).first()
    if generation is None:
        raise NotFound("There is no such generation.")
    if generation.status == GenerationStatus.QUEUED:
        if generation.call_id is not None:
            holds.release(call_id=generation.call_id)
        write_end(generation, Outcome(GenerationStatus.CANCELLED, generation.text, generation.seq + 1))
    elif generation.status == GenerationStatus.RUNNING:
        generation.is_cancel_wanted = True
        generation.save(update_fields=["is_cancel_wanted"])
    return generation


def claim_queued(generation_id: UUID) -> Generation | None:
    """Take over a waiting run: a new attempt under a lease. None when somebody else was quicker."""
    now = timezone.now()
    claimed = Generation.objects.filter(id=generation_id, status=GenerationStatus.QUEUED).update(
        status=GenerationStatus.RUNNING,
        attempt=F("attempt") + 1,
        lease_until=now + timedelta(seconds=LEASE_SECONDS),
        started_at=now,
    )
    if not claimed:
        return None
    generation: Generation = Generation.objects.select_related("conversation", "question").get(id=generation_id)
    if generation.call_id is not None:
        # Reserved by a process that never came to ask a model.
        holds.release(call_id=generation.call_id)
    return generation


def is_open(generation: Generation) -> bool:
    """Whether a run has not ended yet."""
    return generation.status in OPEN_STATUSES
