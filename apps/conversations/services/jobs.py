"""What one run needs to know, gathered once, so that it holds no row and no transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from apps.assistants import selectors as assistants
from apps.assistants.contracts import Turn, VersionSpec
from apps.conversations import selectors
from apps.conversations.models import Conversation, Generation
from apps.conversations.services.given import merged
from apps.gateway import selectors as gateway
from apps.gateway.contracts import Asked, Hold, ResolvedRoute, Spender
from parley.tenancy import require_tenant_id


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of one generation. `after` is the number of the last event that exists already."""

    tenant_id: UUID
    conversation_id: UUID
    generation_id: UUID
    question_id: UUID
    message_id: UUID
    attempt: int
    question: str
    history: tuple[Turn, ...]
    spec: VersionSpec
    route: ResolvedRoute
    spender: Spender
    hold: Hold | None = None
    after: int = 0


def spec_of(conversation: Conversation, overrides: dict[str, Any]) -> VersionSpec:
    """The state of the assistant that answers the next message. Raises `NotFound`, `Conflict` (paused, unpublished)."""
    spec = assistants.answering_spec(
        conversation.assistant, conversation.version, conversation_id=conversation.id, label=conversation.label
    )
    return _overridden(spec, conversation, overrides)


def _spec_of_run(generation: Generation) -> VersionSpec:
    """The state that a run began with: a run that is tried again does not change its version."""
    conversation, number = generation.conversation, generation.version_number
    if number is None or (conversation.version is not None and conversation.version.number == number):
        return spec_of(conversation, generation.overrides)
    return _overridden(assistants.numbered_spec(conversation.assistant, number), conversation, generation.overrides)


def spender_of(conversation: Conversation, spec: VersionSpec) -> Spender:
    """Whose budgets the calls of this conversation count against."""
    return Spender(
        spec.assistant_id, conversation.channel, conversation.visitor_id, conversation.id, conversation.api_key_id
    )


def _overridden(spec: VersionSpec, conversation: Conversation, overrides: dict[str, Any]) -> VersionSpec:
    changes: dict[str, Any] = {}
    if spec.variables:
        changes["given"] = merged(conversation.given, overrides.get("given", {}))
    if overrides.get("instructions"):
        # A caller's words are no template: their braces stay braces.
        added = overrides["instructions"].replace("{{", "\\{{")
        changes["instructions"] = f"{spec.instructions}\n\n{added}"
    if overrides.get("max_output_tokens"):
        changes["max_output_tokens"] = min(spec.max_output_tokens, int(overrides["max_output_tokens"]))
    if overrides.get("temperature") is not None:
        changes["temperature"] = float(overrides["temperature"])
    return replace(spec, **changes) if changes else spec


def route_of(spec: VersionSpec, question: str, conversation_id: UUID) -> ResolvedRoute:
    """The models that may answer this question here. Raises what `resolve_route` raises."""
    return gateway.resolve_route(
        purpose="chat", model_id=spec.model_id, route_id=spec.route_id, asked=Asked(question, conversation_id)
    )


def history_of(generation: Generation) -> tuple[Turn, ...]:
    """The turns before the question: the request's own, or those of the conversation."""
    if "history" in generation.overrides:
        return tuple(Turn(turn["role"], turn["text"]) for turn in generation.overrides["history"])
    return selectors.history_before(generation.question)


def job_of(generation: Generation, *, after: int) -> Job:
    """Everything for a claimed generation. Raises what `spec_of` and `resolve_route` raise."""
    spec = _spec_of_run(generation)
    return Job(
        tenant_id=require_tenant_id(),
        conversation_id=generation.conversation_id,
        generation_id=generation.id,
        question_id=generation.question_id,
        message_id=generation.message_id,
        attempt=generation.attempt,
        question=generation.question.text,
        history=history_of(generation),
        spec=spec,
        route=route_of(spec, generation.question.text, generation.conversation_id),
        spender=spender_of(generation.conversation, spec),
        after=after,
    )
