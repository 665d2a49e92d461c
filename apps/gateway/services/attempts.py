"""All calls to one model for one answer: reserve, call with one key or the next, repeat, and close what failed.

This is the only layer that repeats calls. It never holds a transaction while a model is thinking.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import structlog

from apps.gateway.contracts import (
    ApiKey,
    CallFinished,
    CompletionEvent,
    FailedCall,
    Hold,
    ModelChoice,
    ModelChosen,
    Purpose,
)
from apps.gateway.routing import failures
from apps.gateway.routing.breaker import Breaker
from apps.gateway.routing.keys import order_keys
from apps.gateway.routing.seam import continuation_prompt
from apps.gateway.services import addresses, faults, holds
from parley.db import in_thread, uuid7
from parley.errors import Invalid, OverBudget, Problem, Unavailable
from parley.llm import (
    ChatMessage,
    ChatRequest,
    Finished,
    Grounding,
    LlmError,
    Timeouts,
    count_tokens,
    stream_chat,
)
from parley.tenancy import require_tenant_id, tenant_tx

log = structlog.get_logger(__name__)

# What a chat model's own wrapping of each message costs, about.
_TOKENS_PER_MESSAGE: Final = 4
# A continuation of fewer tokens could not even repeat its anchor.
_SHORTEST_REST: Final = 64

breaker = Breaker()
_turns = itertools.count()


@dataclass(frozen=True, slots=True)
class Question:
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

    def after(self, shown: str) -> Question:
        """The same question to whoever goes on after the text that was shown."""
        left = max(_SHORTEST_REST, self.max_output_tokens - count_tokens(shown))
        return replace(self, messages=continuation_prompt(self.messages, shown), max_output_tokens=left)

    def ask(self, choice: ModelChoice, hold: Hold, key: ApiKey | None) -> ChatRequest:
        """The request of one call."""
        target = choice.target
        if key is not None and key.secret != target.api_key:
            target = replace(target, api_key=key.secret)
        return ChatRequest(
            target=target,
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


def may_be_asked(choice: ModelChoice) -> bool:
    """Whether one of a model's circuits is closed; the first who asks after a pause is the probe."""
    now = time.monotonic()
    return any(breaker.allows(circuit, now) for circuit in _circuits(choice))


class CallsFailed(Unavailable):
    """No model brought the answer to its end. `calls` are all that were made for it; each is closed."""

    def __init__(self, sentence: str, calls: Sequence[FailedCall]) -> None:
        super().__init__(sentence)
        self.calls = calls


class Attempt:
    """All calls to one model of the route; `failure` says afterwards why the next one must be asked.

    `failed` is the list of failed calls of the whole answer, to which this attempt adds its own. `text` is what the
    model said in its last call, word for word.
    """

    def __init__(
        self,
        question: Question,
        choice: ModelChoice,
        hold: Hold | None,
        failed: list[FailedCall],
        *,
        continues: bool = False,
    ) -> None:
        self.question = question
        self.choice = choice
        self.failed = failed
        self.failure: Problem | None = None
        self.error: LlmError | None = None
        self.text: list[str] = []
        self._hold = hold
        self._continues = continues
        self._open_call: UUID | None = None
        self._keys_left = list(choice.keys)

    async def run(self) -> AsyncGenerator[CompletionEvent]:
        """The events of the call that works; `failure` is set when none came to its end."""
        key, number = self._next_key(), 1
        while True:
            try:
                hold = await self._held()
            except (OverBudget, Invalid) as problem:
                self.failure = problem
                return
            self._open_call = hold.call_id
            yield ModelChosen(self.choice, hold.call_id, tuple(self.failed), continues=self._continues)
            try:
                async with aclosing(self._call(hold, key)) as events:
                    async for event in events:
                        yield event
            except LlmError as error:
                self._open_call = None
                pause = await self._fail(error, number, key)
            else:
                self._open_call, self.failure, self.error = None, None, None
                breaker.worked(_circuit(self.choice, key))
                return
            if pause is None:
                return
            if self._is_about_key(self.error) and self._keys_left:
                key, number = self._next_key(), 1
            else:
                number += 1
            await asyncio.sleep(pause)

    async def abandon(self) -> None:
        """Close a call whose answer nobody waits for any more: another model spoke first. Never free once sent."""
        call_id, self._open_call = self._open_call, None
        if call_id is not None:
            text = "".join(self.text)
            await in_thread(_settle_interrupted, call_id, text)
            sentence = f"Another model spoke before {self.choice.label} did."
            self.failed.append(FailedCall(call_id, self.choice.model_id, self.choice.label, "slower", sentence))

    async def _call(self, hold: Hold, key: ApiKey | None) -> AsyncGenerator[CompletionEvent]:
        await addresses.arequire_callable(self.choice.target.base_url)
        async with aclosing(stream_chat(self.question.ask(self.choice, hold, key))) as events:
            async for event in events:
                if isinstance(event, Finished):
                    self._open_call = None
                    yield CallFinished(hold.call_id, event.usage, event.reason, self.choice)
                    return
                self.text.append(event.text)
                yield event
        raise LlmError("bad_response", "The model ended its answer without finishing it. Try again.")

    async def _held(self) -> Hold:
        if self._hold is None:
            self._hold = await in_thread(_reserve, self.question, self.choice)
        return self._hold

    def _next_key(self) -> ApiKey | None:
        if not self._keys_left:
            return None
        now = time.monotonic()
        circuits = {key.id: _circuit(self.choice, key) for key in self._keys_left}
        ordered = order_keys(
            self._keys_left,
            turn=next(_turns) if len(self._keys_left) > 1 else 0,
            failed_at={key_id: breaker.last_failed(circuit) for key_id, circuit in circuits.items()},
            rests=lambda key_id: breaker.pause_left(circuits[key_id], now) > 0,
        )
        self._keys_left.remove(ordered[0])
        return ordered[0]

    @staticmethod
    def _is_about_key(error: LlmError | None) -> bool:
        """Whether another key of the same provider may do better."""
        return error is not None and error.kind in ("rate_limited", "authentication")

    async def _fail(self, error: LlmError, number: int, key: ApiKey | None) -> float | None:
        """Close the failed call and say how long to wait before the next, or None to leave this model."""
        assert self._hold is not None
        call_id, text = self._hold.call_id, "".join(self.text)
        log.warning(
            "completion.call_failed",
            call_id=str(call_id),
            model_id=str(self.choice.model_id),
            kind=error.kind,
            attempt=number,
            has_begun=bool(text),
        )
        rest = 0.0
        if error.is_retryable:
            rest = breaker.failed(_circuit(self.choice, key), time.monotonic(), rest=error.retry_after)
        self.error = error
        self.failure = CallsFailed(error.sentence, self.failed)
        self.failure.__cause__ = error
        self.failed.append(
            FailedCall(call_id, self.choice.model_id, self.choice.label, error.kind, error.sentence, len(text))
        )
        pause = None if text else failures.pause_before_retry(error, number)
        if not text and self._keys_left and self._is_about_key(error):
            pause = 0.0
        is_charged = bool(text) or not failures.is_free(error)
        is_released = not is_charged and pause is None
        await in_thread(_close_failed, self, error, key, rest, text if is_charged else None, is_released)
        if is_charged or is_released:
            self._hold = None
        return pause


def _circuits(choice: ModelChoice) -> list[tuple[UUID, UUID | None, UUID]]:
    return [_circuit(choice, key) for key in choice.keys or (None,)]


def _circuit(choice: ModelChoice, key: ApiKey | None) -> tuple[UUID, UUID | None, UUID]:
    return require_tenant_id(), key.id if key is not None else None, choice.model_id


def _reserve(question: Question, choice: ModelChoice) -> Hold:
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


def _close_failed(
    attempt: Attempt, error: LlmError, key: ApiKey | None, rest: float, charged_for: str | None, is_released: bool
) -> None:
    call_id = attempt.failed[-1].call_id
    with tenant_tx():
        if charged_for is not None:
            holds.settle_interrupted(call_id=call_id, text=charged_for)
        elif is_released:
            holds.release(call_id=call_id)
        faults.record_fault(choice=attempt.choice, key=key, error=error, rest_seconds=rest)


def _settle_interrupted(call_id: UUID, text: str) -> None:
    with tenant_tx():
        holds.settle_interrupted(call_id=call_id, text=text)
