"""The exact prompt that a question would send, composed by the engine itself and sent to nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from apps.assistants.contracts import FewShot, Source, VersionSpec
from apps.assistants.runtime.respond import rehearse
from apps.assistants.runtime.templates import value_of
from apps.gateway import selectors as gateway
from apps.gateway.contracts import Asked, ResolvedRoute
from parley.db.threads import in_thread
from parley.llm import ChatMessage, count_tokens
from parley.tenancy import tenant_tx


@dataclass(frozen=True, slots=True)
class PromptPreview:
    """What the model of an assistant would read. Without `messages` no model would be asked."""

    messages: tuple[ChatMessage, ...]
    tokens: int
    model: str
    is_answered_here: bool
    values: tuple[tuple[str, str | None], ...]
    sources: tuple[Source, ...]
    examples: tuple[FewShot, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return {
            "messages": [{"role": message.role, "content": message.content} for message in self.messages],
            "tokens": self.tokens,
            "model": self.model,
            "is_answered_here": self.is_answered_here,
            "values": dict(self.values),
            "examples": [{"question": one.question, "answer": one.answer} for one in self.examples],
            "sources": [
                {"number": source.number, "title": source.title, "location": source.location} for source in self.sources
            ],
        }


async def preview(*, version: VersionSpec, question: str, given: Mapping[str, Mapping[str, Any]]) -> PromptPreview:
    """Search and compose as for an answer, without history. The ambient tenant must be set, no transaction open.

    Raises what choosing a route and searching raise.
    """
    version = replace(version, given=given)
    route = await in_thread(_route, version, question)
    prompt = await rehearse(version=version, question=question, route=route)
    messages = prompt.messages if prompt else ()
    return PromptPreview(
        messages=messages,
        tokens=sum(count_tokens(message.content) for message in messages),
        model=route.preferred.label,
        is_answered_here=route.preferred.is_extractive or route.preferred.reads_slowly,
        values=tuple((variable.name, value_of(variable, given)) for variable in version.variables),
        sources=prompt.sources if prompt else (),
        examples=prompt.examples if prompt else (),
    )


def _route(version: VersionSpec, question: str) -> ResolvedRoute:
    with tenant_tx():
        return gateway.resolve_route(
            purpose="chat", model_id=version.model_id, route_id=version.route_id, asked=Asked(question)
        )
