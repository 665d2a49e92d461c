"""One answer outside any conversation, timed and paid for: what experiments record and the playground shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from apps.assistants.contracts import Finished, ModelChosen, RespondEvent, TextDelta, VersionSpec
from apps.assistants.runtime.respond import respond
from apps.gateway import selectors as gateway
from apps.gateway.contracts import Asked, ResolvedRoute
from apps.gateway.services import holds
from parley.db import in_thread
from parley.tenancy import tenant_tx


@dataclass(frozen=True, slots=True)
class Answered:
    """The end of an answer. Times are milliseconds from the question on, `cost` is US dollars as the ledger has it."""

    finished: Finished
    first_words_ms: int
    latency_ms: int
    cost: Decimal


async def ask(*, version: VersionSpec, question: str) -> AsyncGenerator[RespondEvent | Answered]:
    """What `respond` yields, and `Answered` in place of its `Finished`.

    The call is settled when it ends, also when the generator is closed early: words that were written are owed.
    Needs an ambient tenant and no open transaction. Raises as `respond` does.
    """
    route = await in_thread(_resolve_route, version, question)
    started = time.monotonic()
    first_words_at: float | None = None
    call_id: UUID | None = None
    said: list[str] = []
    events = respond(version=version, question=question, history=(), route=route, purpose="evaluation")
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Finished):
                    ended = time.monotonic()
                    cost = await asyncio.shield(in_thread(_settle, event))
                    call_id = None
                    yield Answered(
                        finished=event,
                        first_words_ms=_milliseconds(started, first_words_at or ended),
                        latency_ms=_milliseconds(started, ended),
                        cost=cost,
                    )
                    return
                if isinstance(event, ModelChosen):
                    # From here on words are owed to this call; those of one that broke off are paid for.
                    call_id = event.call_id
                    said.clear()
                elif isinstance(event, TextDelta):
                    first_words_at = first_words_at or time.monotonic()
                    said.append(event.text)
                yield event
    except BaseException:
        if call_id is not None:
            await asyncio.shield(in_thread(_settle_interrupted, call_id, "".join(said)))
        raise


def _resolve_route(version: VersionSpec, question: str) -> ResolvedRoute:
    with tenant_tx():
        return gateway.resolve_route(
            purpose="chat", model_id=version.model_id, route_id=version.route_id, asked=Asked(question)
        )


def _milliseconds(started: float, ended: float) -> int:
    return round((ended - started) * 1000)


def _settle(finished: Finished) -> Decimal:
    """Pay for the call; what it cost. Nothing when no model was asked."""
    if finished.call_id is None:
        return Decimal(0)
    with tenant_tx():
        holds.settle(call_id=finished.call_id, usage=finished.usage)
        charged = gateway.list_usage().filter(call_id=finished.call_id)
        total: Decimal | None = charged.aggregate(total=Sum("cost"))["total"]
    return total or Decimal(0)


def _settle_interrupted(call_id: UUID, text: str) -> None:
    with tenant_tx():
        holds.settle_interrupted(call_id=call_id, text=text)
