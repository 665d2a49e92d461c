"""Carries one answer through a route: from the first model that speaks to the one that brings it to its end.

A model that fails before its first word makes room for the next one. One that breaks off in the middle is continued
by the next one from the text already shown. `attempts` makes the calls to one model.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from uuid import UUID

from apps.gateway.contracts import (
    CallFinished,
    Completion,
    CompletionEvent,
    FailedCall,
    Hold,
    ModelChoice,
    ModelChosen,
    Purpose,
    ResolvedRoute,
)
from apps.gateway.routing.policy import falls_back
from apps.gateway.routing.seam import Seam
from apps.gateway.services import holds
from apps.gateway.services.attempts import Attempt, CallsFailed, Question, count_input, may_be_asked
from apps.gateway.services.hedging import Race
from parley.db import in_thread
from parley.errors import Invalid, OverBudget, Problem, Unavailable
from parley.llm import ChatMessage, Grounding, LlmError, TextDelta, Timeouts, Usage
from parley.tenancy import tenant_tx

__all__ = ["CallsFailed", "complete", "count_input", "stream"]

# Seconds after which a reader who has not got an answer is told so instead of waiting for another round.
_SECOND_ROUND_WITHIN = 45


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

    After words were shown, a `ModelChosen` that `continues` may follow: the deltas after it go on where the others
    broke off (F-16). The route's policy says for which failures the next model is asked.

    The consumer settles the call that finished (`holds.settle`) or cancelled (`settle_interrupted`) in the
    transaction of its own last write. Calls that failed are closed here. Close the generator to cancel.

    Raises `OverBudget` or `Invalid` (unknown price) when the preferred model cannot be paid for, and
    `Unavailable` (`CallsFailed`) with one sentence when no model answers, or none goes on with a broken answer.
    """
    question = Question(
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
    walk = _Walk(route, question, _askable(route, grounding))
    if hold is not None and not (walk.left and _pays_for(hold, walk.left[0], question.timeouts)):
        await in_thread(_release, hold.call_id)
        hold = None
    while walk.left:
        leg = walk.next_leg(hold)
        hold = None
        async with aclosing(leg.run()) as events:
            async for event in events:
                yield event
        if leg.failure is None:
            return
        walk.learn(leg)
    raise walk.first_failure or Unavailable("No chat model is set up. Add a provider and a model under Models.")


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
    began_at = 0
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
                        call_id, began_at = event.call_id, len(parts)
                    case TextDelta():
                        parts.append(event.text)
                    case CallFinished():
                        await in_thread(_settle, event.call_id, event.usage)
                        return Completion("".join(parts), event.usage, event.choice, event.reason)
    except asyncio.CancelledError:
        if call_id is not None:
            await in_thread(_settle_interrupted, call_id, "".join(parts[began_at:]))
        raise
    raise Unavailable("The model ended its answer without finishing it. Try again.")


class _Leg:
    """One model's part of an answer, or that of two which race; after `shown` when others spoke before."""

    def __init__(self, attempt: Attempt, race: Race | None = None, *, shown: str = "") -> None:
        self._attempt = attempt
        self._race = race
        self._seam = Seam(shown) if shown else None
        self._joined = shown

    @property
    def attempt(self) -> Attempt:
        """The attempt whose words were given on."""
        return self._race.winner if self._race is not None else self._attempt

    @property
    def failure(self) -> Problem | None:
        """Why another model must go on; None when the answer has come to its end."""
        return self.attempt.failure

    @property
    def shown(self) -> str:
        """What readers have seen of the whole answer."""
        return "".join(self.attempt.text) if self._seam is None else self._joined

    def has_asked(self, choice: ModelChoice) -> bool:
        """Whether this leg has asked a model beside the one that it began with."""
        return self._race is not None and self._race.has_rival and choice.model_id == self._race.rival_id

    def run(self) -> AsyncGenerator[CompletionEvent]:
        """The events; those of one model alone come as it gives them, without a layer in between."""
        events = self._race.run() if self._race is not None else self._attempt.run()
        return events if self._seam is None else self._join(events, self._seam)

    async def _join(self, source: AsyncGenerator[CompletionEvent], seam: Seam) -> AsyncGenerator[CompletionEvent]:
        async with aclosing(source) as events:
            async for event in events:
                if not isinstance(event, ModelChosen):
                    text = seam.feed(event.text) if isinstance(event, TextDelta) else seam.finish()
                    if text:
                        self._joined += text
                        yield TextDelta(text)
                if not isinstance(event, TextDelta):
                    yield event


class _Walk:
    """The way of one answer along its route: who is left to ask, and what was shown."""

    def __init__(self, route: ResolvedRoute, question: Question, choices: Sequence[ModelChoice]) -> None:
        self.left = list(choices)
        self.first_failure: Problem | None = None
        self._policy = route.policy
        self._question = question
        self._shown = ""
        self._failed: list[FailedCall] = []
        # Those whose failure may pass, in the order in which they failed.
        self._again: list[ModelChoice] = []
        self._has_two = sum(map(_may_continue, choices)) > 1
        self._is_second_round = False
        self._began_at = time.monotonic()

    def next_leg(self, hold: Hold | None) -> _Leg:
        """Ask the next model; beside it another one when the route hedges and nothing was shown yet."""
        choice = self.left.pop(0)
        if self._shown:
            question = self._question.after(self._shown)
            return _Leg(Attempt(question, choice, hold, self._failed, continues=True), shown=self._shown)
        attempt = Attempt(self._question, choice, hold, self._failed)
        rival = next((other for other in self.left if _may_continue(other)), None)
        if self._policy.hedge_after_ms is None or rival is None or not _may_continue(choice):
            return _Leg(attempt)
        second = Attempt(self._question, rival, None, self._failed)
        return _Leg(attempt, Race(attempt, second, seconds=self._policy.hedge_after_ms / 1000))

    def learn(self, leg: _Leg) -> None:
        """Decide who is asked after a leg that failed. Raises its failure when nobody may be."""
        failure, error = leg.failure, leg.attempt.error
        assert failure is not None
        if isinstance(failure, OverBudget | Invalid) and self.first_failure is None:
            raise failure
        self.first_failure = self.first_failure or failure
        self.left = [choice for choice in self.left if not leg.has_asked(choice)]
        if error is not None and not falls_back(self._policy, error.kind):
            raise failure
        self._shown = leg.shown
        if self._shown:
            if error is not None:
                self.first_failure = failure
            if not self._policy.continues_answers:
                raise failure
            self.left = [choice for choice in self.left if _may_continue(choice)]
        elif error is not None and error.kind == "context_overflow":
            window = leg.attempt.choice.context_tokens
            self.left = [choice for choice in self.left if choice.context_tokens > window]
        self._plan_second_round(leg.attempt.choice, error)

    def _plan_second_round(self, choice: ModelChoice, error: LlmError | None) -> None:
        """When everybody failed in ways that pass, each is asked once more, as long as the reader has not waited long.

        A model alone was repeated already; only after words were shown it is asked once more, unless it fell silent.
        """
        may_pass = self._has_two or (self._shown and error is not None and error.kind != "timeout")
        if error is not None and error.is_retryable and may_pass:
            self._again.append(choice)
        has_time = time.monotonic() - self._began_at < _SECOND_ROUND_WITHIN
        if not self.left and not self._is_second_round and has_time:
            self._is_second_round = True
            self.left = [other for other in self._again if not self._shown or _may_continue(other)]


def _may_continue(choice: ModelChoice) -> bool:
    """Whether a model can go on with another's text: the ones on this machine only restate what sources say."""
    return not choice.is_extractive and not choice.reads_slowly


def _askable(route: ResolvedRoute, grounding: Grounding | None) -> list[ModelChoice]:
    """The models worth asking: quotes need sources, and what keeps failing is passed over while others are left."""
    possible = [choice for choice in route.choices if grounding is not None or not choice.is_extractive]
    return [choice for choice in possible if may_be_asked(choice)] or possible


def _pays_for(hold: Hold, choice: ModelChoice, timeouts: Timeouts) -> bool:
    """Whether a hold made earlier fits this model and outlives the longest call to it."""
    lasts_until = datetime.now(UTC) + timedelta(seconds=timeouts.total)
    return hold.model_id == choice.model_id and hold.expires_at > lasts_until


def _settle(call_id: UUID, usage: Usage) -> None:
    with tenant_tx():
        holds.settle(call_id=call_id, usage=usage)


def _settle_interrupted(call_id: UUID, text: str) -> None:
    with tenant_tx():
        holds.settle_interrupted(call_id=call_id, text=text)


def _release(call_id: UUID) -> None:
    with tenant_tx():
        holds.release(call_id=call_id)
