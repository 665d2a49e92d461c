"""Chooses the backend that a request names, so that callers never import a provider's code."""

from collections.abc import AsyncGenerator, AsyncIterator
from importlib import import_module
from typing import Protocol, cast

from parley.llm.errors import LlmError
from parley.llm.events import ChatEvent, ChatResult, EmbedResult, Finished, RerankResult, TextDelta
from parley.llm.requests import ChatRequest, EmbedRequest, RerankRequest

# Modules by backend name, imported on first use: LiteLLM alone takes seconds to import.
_CHAT_BACKENDS = {
    "openai": "parley.llm.backends.openai_dialect",
    "litellm": "parley.llm.backends.litellm",
    "extractive": "parley.llm.backends.extractive",
}
_EMBED_BACKENDS = {
    "openai": "parley.llm.backends.openai_embeddings",
    "litellm": "parley.llm.backends.litellm",
    "local": "parley.llm.local_embedder",
}
_RERANK_BACKENDS = {
    "openai": "parley.llm.backends.http_rerank",
    "litellm": "parley.llm.backends.litellm",
}


class Backend(Protocol):
    """Turns a request into a stream of events: deltas, then exactly one `Finished`, or an `LlmError`.

    Closing the iterator (`aclose`) or cancelling its consumer must close the provider's socket at once.
    """

    def stream_chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]: ...


class _EmbedModule(Protocol):
    def embed(self, request: EmbedRequest) -> EmbedResult: ...


class _RerankModule(Protocol):
    def rerank(self, request: RerankRequest) -> RerankResult: ...


def stream_chat(request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Stream one answer. Yields `TextDelta`s and one `Finished`; raises `LlmError`.

    Close the generator when you stop reading early (`contextlib.aclosing`), or the provider keeps writing.
    """
    backend = cast("Backend", import_module(_CHAT_BACKENDS[request.target.backend]))
    return backend.stream_chat(request)


async def chat(request: ChatRequest) -> ChatResult:
    """The whole answer of one call; raises `LlmError`."""
    return await collect(stream_chat(request))


async def collect(events: AsyncIterator[ChatEvent]) -> ChatResult:
    """Join a stream into one result. A stream without `Finished` is a provider's fault: `LlmError`."""
    parts: list[str] = []
    async for event in events:
        if isinstance(event, TextDelta):
            parts.append(event.text)
        elif isinstance(event, Finished):
            return ChatResult(text="".join(parts), usage=event.usage, reason=event.reason)
    raise LlmError("bad_response", "The model provider ended its answer without saying so. Try again.")


def embed(request: EmbedRequest) -> EmbedResult:
    """One vector per text, in order. Synchronous; raises `LlmError`."""
    backend = cast("_EmbedModule", import_module(_EMBED_BACKENDS[request.target.backend]))
    return backend.embed(request)


def rerank(request: RerankRequest) -> RerankResult:
    """How well each text answers the question, one score per text, in order. Synchronous; raises `LlmError`."""
    name = _RERANK_BACKENDS.get(request.target.backend)
    if name is None:
        raise LlmError("not_found", f"{request.target.model} cannot put passages in order. Choose a rerank model.")
    backend = cast("_RerankModule", import_module(name))
    return backend.rerank(request)
