"""Carries one answer through a route: reserve, call, repeat or fall back before the first word, and settle.

This is the only layer that repeats calls. It never holds a transaction while a model is thinking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from apps.gateway.contracts import (
    CallFinished,
    Completion,
    CompletionEvent,
    Hold,
    ModelChoice,
    ModelChosen,
    Purpose,
    ResolvedRoute,
)
from apps.gateway.routing import failures
from apps.gateway.routing.breaker import Breaker
from apps.gateway.services import addresses, holds
from parley.db import in_thread, uuid7
from parley.errors import Invalid, OverBudget, Problem, Unavailable
from parley.llm import (
    ChatMessage,
    ChatRequest,
    Finished,
    Grounding,
    LlmError,
    TextDelta,
    Timeouts,
    Usage,
    count_tokens,
    stream_chat,
)
from parley.tenancy import require_tenant_id, tenant_tx

log = structlog.get_logger(__name__)

# What a chat model's own wrapping of each message costs, about.
_TOKENS_PER_MESSAGE = 4

_breaker = Breaker()


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, whoever answers it."""

    messages: tuple[ChatMessage, ...]
    max_output_tokens: int
    temperature: float | None
    grounding: Grounding | None
    purpose: Purpose
    stop: tuple[str, ...]
    timeouts: Timeouts
    assistant_id: UUID | None
    conversation_id: UUID | None
    input_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_tokens", count_input(self.messages))

    def ask(self, choice: ModelChoice, hold: Hold) -> ChatRequest:
        return ChatRequest(
            target=choice.target,
            messages=self.messages,
            max_output_tokens=hold.max_output_tokens,
            temperature=self.temperature,
            stop=self.stop,
            grounding=self.grounding,
            timeouts=self.timeouts,
        )


def count_input(messages: Sequence[ChatMessage]) -> int:
    """Estimated input tokens of a call with these messages."""
    return sum(count_tokens(message.content) + _TOKENS_PER_MESSAGE for message in messages)


async def stream(
    *,
    route: ResolvedRoute,
    messages: Sequence[ChatMessage],
    max_output_tokens: int,
    temperature: float | None = None,
    grounding: Grounding | None = None,
    hold: Hold | None = None,
    purpose: Purpose = "chat",
    stop: Sequence[str] = (),
    assistant_id: UUID | None = None,
    conversation_id: UUID | None = None,
    timeouts: Timeouts | None = None,
) -> AsyncGenerator[CompletionEvent]:
    """Stream one answer from the first model of the route that gives one.

    Yields `ModelChosen` (again for each further call: the latest one counts), deltas, and one `CallFinished`.
    Needs the ambient tenant and no open transaction. `hold` pays for the first call when it was made for the
    preferred model; every other call reserves for itself before it is dispatched (B-09).

    The consumer settles the call that finished (`holds.settle`) or cancelled (`settle_interrupted`) in the
    transaction of its own last write. Calls that failed are closed here. Close the generator to cancel.

    Raises `OverBudget` or `Invalid` (unknown price) when the preferred model cannot be paid for, and
    `Unavailable` with one sentence when no model answers or when the answer breaks off after its first word.
    """
    question = _Question(
        messages=tuple(messages),
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        grounding=grounding,
        purpose=purpose,
        stop=tuple(stop),
        timeouts=timeouts or Timeouts(),
        assistant_id=assistant_id,
        conversation_id=conversation_id,
    )
    choices = _askable(route, grounding)
    first_failure: Problem | None = None
    if hold is not None and not (choices and _pays_for(hold, choices[0], question.timeouts)):
        await in_thread(_release, hold.call_id)
        hold = None
    for choice in choices:
        attempt = _Attempt(question, choice, hold)
        hold = None
        async with aclosing(attempt.run()) as events:
            async for event in events:
                yield event
        if attempt.failure is None:
            return
        if isinstance(attempt.failure, OverBudget | Invalid) and first_failure is None:
            raise attempt.failure
        first_failure = first_failure or attempt.failure
    raise first_failure or Unavailable("No chat model is set up. Add a provider and a model under Models.")


async def complete(
    *,
    route: ResolvedRoute,
    messages: Sequence[ChatMessage],
    max_output_tokens: int,
    temperature: float | None = None,
    grounding: Grounding | None = None,
    purpose: Purpose = "chat",
    assistant_id: UUID | None = None,
    timeouts: Timeouts | None = None,
) -> Completion:
    """One whole answer, already settled (judges, tests of a key). Raises as `stream` does."""
    parts: list[str] = []
    call_id: UUID | None = None
    events = stream(
        route=route,
        messages=messages,
        max_output_tokens=max_output_tokens,
        temperature=temperature,
        grounding=grounding,
        purpose=purpose,
        assistant_id=assistant_id,
        timeouts=timeouts,
    )
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case ModelChosen():
                        call_id = event.call_id
                    case TextDelta():
                        parts.append(event.text)
                    case CallFinished():
                        await in_thread(_settle, event.call_id, event.usage)
                        return Completion("".join(parts), event.usage, event.choice, event.reason)
    except asyncio.CancelledError:
        if call_id is not None:
            await in_thread(_settle_interrupted, call_id, "".join(parts))
        raise
    raise Unavailable("The model ended its answer without finishing it. Try again.")


class _Attempt:
    """All calls to one model of the route; `failure` says afterwards why the next one must be asked."""

    def __init__(self, question: _Question, choice: ModelChoice, hold: Hold | None) -> None:
        self.question = question
        self.choice = choice
        self.hold = hold
        self.failure: Problem | None = None
        self.text: list[str] = []

    async def run(self) -> AsyncGenerator[CompletionEvent]:
        """The events of the call that works; `failure` is set when none came to its first word."""
        for number in range(1, failures.MAX_ATTEMPTS + 1):
            try:
                hold = await self._hold()
            except (OverBudget, Invalid) as problem:
                self.failure = problem
                return
            yield ModelChosen(self.choice, hold.call_id)
            try:
                async with aclosing(self._call(hold)) as events:
                    async for event in events:
                        yield event
                self.failure = None
                _breaker.worked(_circuit(self.choice))
                return
            except LlmError as error:
                if error.is_retryable:
                    _breaker.failed(_circuit(self.choice), time.monotonic())
                pause = await self._give_up_or_pause(error, number)
            if pause is None:
                return
            await asyncio.sleep(pause)

    async def _call(self, hold: Hold) -> AsyncGenerator[CompletionEvent]:
        await addresses.arequire_callable(self.choice.target.base_url)
        async with aclosing(stream_chat(self.question.ask(self.choice, hold))) as events:
            async for event in events:
                if isinstance(event, Finished):
                    yield CallFinished(hold.call_id, event.usage, event.reason, self.choice)
                    return
                self.text.append(event.text)
                yield event
        raise LlmError("bad_response", "The model ended its answer without finishing it. Try again.")

    async def _hold(self) -> Hold:
        if self.hold is None:
            self.hold = await in_thread(_reserve, self.question, self.choice)
        return self.hold

    async def _give_up_or_pause(self, error: LlmError, number: int) -> float | None:
        """Close the failed call and say how long to wait before the next, or None to leave this model.

        Raises `Unavailable` when words have reached the reader: no other model can go on from there.
        """
        assert self.hold is not None
        call_id, text = self.hold.call_id, "".join(self.text)
        log.warning(
            "completion.call_failed",
            call_id=str(call_id),
            model_id=str(self.choice.model_id),
            kind=error.kind,
            attempt=number,
            has_begun=bool(text),
        )
        if text:
            await in_thread(_settle_interrupted, call_id, text)
            raise Unavailable(error.sentence) from error
        self.failure = Unavailable(error.sentence)
        self.failure.__cause__ = error
        pause = failures.pause_before_retry(error, number)
        if not failures.is_free(error):
            await in_thread(_settle_interrupted, call_id, "")
            self.hold = None
        elif pause is None:
            await in_thread(_release, call_id)
        return pause


def _askable(route: ResolvedRoute, grounding: Grounding | None) -> list[ModelChoice]:
    """The models worth asking: quotes need sources, and what keeps failing is passed over while others are left."""
    possible = [choice for choice in route.choices if grounding is not None or not choice.is_extractive]
    now = time.monotonic()
    return [choice for choice in possible if _breaker.allows(_circuit(choice), now)] or possible


def _circuit(choice: ModelChoice) -> tuple[UUID, UUID]:
    return require_tenant_id(), choice.model_id


def _pays_for(hold: Hold, choice: ModelChoice, timeouts: Timeouts) -> bool:
    """Whether a hold made earlier fits this model and outlives the longest call to it."""
    lasts_until = datetime.now(UTC) + timedelta(seconds=timeouts.total)
    return hold.model_id == choice.model_id and hold.expires_at > lasts_until


def _reserve(question: _Question, choice: ModelChoice) -> Hold:
    with tenant_tx():
        return holds.reserve(
            call_id=uuid7(),
            purpose=question.purpose,
            choice=choice,
            input_tokens=question.input_tokens,
            max_output_tokens=question.max_output_tokens,
            assistant_id=question.assistant_id,
            conversation_id=question.conversation_id,
        )


def _settle(call_id: UUID, usage: Usage) -> None:
    with tenant_tx():
        holds.settle(call_id=call_id, usage=usage)


def _settle_interrupted(call_id: UUID, text: str) -> None:
    with tenant_tx():
        holds.settle_interrupted(call_id=call_id, text=text)


def _release(call_id: UUID) -> None:
    with tenant_tx():
        holds.release(call_id=call_id)
