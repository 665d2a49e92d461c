"""What other apps may hold of the gateway: frozen values, no tables, no framework."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any, Literal, get_args
from uuid import UUID

from parley.llm import FinishReason, LlmErrorKind, ModelTarget, TextDelta, Usage

__all__ = [
    "EXTRACTIVE_MODEL_ID",
    "FALLBACK_REASONS",
    "FREE",
    "NOBODY",
    "ApiKey",
    "Asked",
    "BudgetStatus",
    "CallFinished",
    "CheckOutcome",
    "Completion",
    "CompletionEvent",
    "Confidence",
    "FailedCall",
    "FailureKind",
    "FallbackReason",
    "Grade",
    "Hold",
    "LongPromptPrice",
    "ModelChoice",
    "ModelChosen",
    "Price",
    "Purpose",
    "ResolvedRoute",
    "RoutePolicy",
    "RoutePurpose",
    "Spender",
    "TextDelta",
    "UsageLine",
]

# `evaluation` is answering, too, on the chat route, but its spending is shown apart.
Purpose = Literal["chat", "embed", "judge", "evaluation", "rerank", "rewrite"]
RoutePurpose = Literal["chat", "embed", "judge"]
Confidence = Literal["exact", "estimated", "unknown"]
FallbackReason = Literal["error", "timeout", "rate_limit", "context_overflow", "refusal"]
# Why a call brought no answer: the provider's fault, or nobody's.
FailureKind = LlmErrorKind | Literal["slower"]
FALLBACK_REASONS: tuple[FallbackReason, ...] = get_args(FallbackReason)

# The last resort exists for every tenant, also for one whose built-in models were never registered.
EXTRACTIVE_MODEL_ID = UUID("00000000-0000-7000-8000-657874726163")


@dataclass(frozen=True, slots=True)
class LongPromptPrice:
    """US dollars per million tokens of a whole call whose input is longer than `above_tokens`. None: as below."""

    above_tokens: int
    input_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens.

    Cached, written-to-cache and image tokens are parts of the input, reasoning tokens of the output; None means: as
    the rest of it. `long_prompts` raises all of them for a call with a long input, the lowest bound first.
    """

    input_per_million: Decimal
    output_per_million: Decimal
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    image_per_million: Decimal | None = None
    reasoning_per_million: Decimal | None = None
    long_prompts: tuple[LongPromptPrice, ...] = ()

    @property
    def is_free(self) -> bool:
        """True when no call can cost anything."""
        rates = [getattr(self, name) for name in (*_BASE, *_PARTS)]
        return not any(rates) and not any(getattr(step, name) for step in self.long_prompts for name in _STEP)

    def at(self, input_tokens: int) -> "Price":
        """The price that counts for a call with so much input: that of the highest bound it passes."""
        passed = [step for step in self.long_prompts if input_tokens > step.above_tokens]
        if not passed:
            return self
        higher = {name: rate for name in _STEP if (rate := getattr(passed[-1], name)) is not None}
        return replace(self, **higher, long_prompts=())

    def details(self) -> dict[str, Any] | None:
        """What is more than the three usual prices, as JSON with decimal strings; None when there is nothing."""
        parts = {name: str(rate) for name in _PARTS if (rate := getattr(self, name)) is not None}
        steps = [
            {"above_tokens": step.above_tokens}
            | {name: str(rate) for name in _STEP if (rate := getattr(step, name)) is not None}
            for step in self.long_prompts
        ]
        return {**parts, **({"long_prompts": steps} if steps else {})} or None

    def with_details(self, details: Mapping[str, Any]) -> "Price":
        """The inverse of `details`."""
        if not details:
            return self
        steps = tuple(
            LongPromptPrice(step["above_tokens"], **{name: Decimal(step[name]) for name in _STEP if name in step})
            for step in details.get("long_prompts", ())
        )
        return replace(self, **{name: Decimal(details[name]) for name in _PARTS if name in details}, long_prompts=steps)


_BASE = ("input_per_million", "output_per_million", "cached_input_per_million")
_PARTS = ("cache_write_per_million", "image_per_million", "reasoning_per_million")
_STEP = (*_BASE, "cache_write_per_million")
FREE = Price(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of a provider; the first one has the provider's own id. The secret never appears in a repr."""

    id: UUID
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model that a call may go to. `price` None means unknown: reserving for it is refused.

    `keys` are all that may be used, the target holds the first of them.
    """

    model_id: UUID
    provider_id: UUID | None
    label: str
    target: ModelTarget
    context_tokens: int
    max_output_tokens: int
    price: Price | None
    # A model on this machine's processor: each hundred tokens of prompt cost half a second of silence.
    reads_slowly: bool = False
    keys: tuple[ApiKey, ...] = ()

    @property
    def is_extractive(self) -> bool:
        """True for the backend that quotes the sources and needs grounding to do so."""
        return self.target.backend == "extractive"


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """For which failures the next model is asked; whether a broken answer is continued; when a second one is asked.

    `hedge_after_ms` None: the next model is asked only after a failure.
    """

    fallback_on: frozenset[FallbackReason] = frozenset(FALLBACK_REASONS)
    continues_answers: bool = True
    hedge_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """The message that a route is chosen for. Without a conversation nothing sticks: chance decides anew each time."""

    text: str
    conversation_id: UUID | None = None
    has_attachment: bool = False
    needs_tools: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedRoute:
    """The models for one call, the preferred one first. A chat route always ends in the extractive one.

    `reason` is a sentence for a trace when a rule of the route decided.
    """

    purpose: RoutePurpose
    choices: tuple[ModelChoice, ...]
    route_id: UUID | None = None
    name: str = ""
    policy: RoutePolicy = field(default_factory=RoutePolicy)
    reason: str = ""

    @property
    def preferred(self) -> ModelChoice:
        """The choice that is tried first."""
        return self.choices[0]


class Grade(IntEnum):
    """How far answers are made cheaper because a budget runs low; each grade contains those before it."""

    FULL = 0
    CHEAPER = 1
    SHORTER = 2
    CACHED = 3
    REFUSE = 4


@dataclass(frozen=True, slots=True)
class Spender:
    """For whom a call is made: what decides which budgets beside the tenant's own it counts against.

    `channel` is the door that the conversation came through, empty for work without a conversation.
    """

    assistant_id: UUID | None = None
    channel: str = ""
    visitor_id: UUID | None = None
    conversation_id: UUID | None = None
    api_key_id: UUID | None = None


NOBODY = Spender()


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside for one call. `max_output_tokens` may be lower than asked for: ask for no more.

    `amount` is in US dollars. After `expires_at` the sweeper charges the whole amount as an estimate. `grade` says
    how far the tightest budget of this call asks to save.
    """

    id: UUID
    call_id: UUID
    model_id: UUID
    amount: Decimal
    max_output_tokens: int
    expires_at: datetime
    grade: Grade = Grade.FULL


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call that did not bring an answer to its end, and is closed. `slower`: another model spoke first.

    `characters` are what a reader has seen of it.
    """

    call_id: UUID
    model_id: UUID
    label: str
    kind: FailureKind
    sentence: str
    characters: int = 0


@dataclass(frozen=True, slots=True)
class ModelChosen:
    """A model has been asked. `call_id` names the hold that the consumer settles when the call is over.

    `failed` are the calls for the same answer before it. When it `continues`, its text goes on where theirs broke off;
    otherwise nobody has seen any of theirs.
    """

    choice: ModelChoice
    call_id: UUID
    failed: tuple[FailedCall, ...] = ()
    continues: bool = False


@dataclass(frozen=True, slots=True)
class CallFinished:
    """The end of a call that went well; its hold still waits for `holds.settle`."""

    call_id: UUID
    usage: Usage
    reason: FinishReason
    choice: ModelChoice


CompletionEvent = ModelChosen | TextDelta | CallFinished


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer, already settled."""

    text: str
    usage: Usage
    choice: ModelChoice
    reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """The running period of a budget. Amounts in US dollars; `limit` None means no limit."""

    budget_id: UUID | None
    scope: str
    period_start: datetime
    resets_at: datetime
    timezone: str
    limit: Decimal | None
    spent: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal | None:
        """What may still be reserved; None without a limit, never below zero."""
        return None if self.limit is None else max(Decimal(0), self.limit - self.spent - self.held)


@dataclass(frozen=True, slots=True)
class UsageLine:
    """Spending of one local day, model and purpose. `cost` in US dollars."""

    day: date
    model: str
    purpose: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The result of asking a provider for a word: a sentence for the person who pressed the button."""

    is_ok: bool
    sentence: str
