"""The general backend: a hundred providers through LiteLLM, imported only when one of them is asked.

Its import takes seconds of CPU and 180 MB; `warm_litellm` does it ahead of time, in the background.
"""

import asyncio
import importlib
import os
import threading
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Any

import structlog

from parley.llm.backends.estimates import estimated_usage
from parley.llm.backends.faults import parse_retry_after
from parley.llm.errors import LlmError, LlmErrorKind
from parley.llm.events import ChatEvent, EmbedResult, Finished, FinishReason, RerankResult, TextDelta, Usage
from parley.llm.guard import require_allowed
from parley.llm.requests import ChatRequest, EmbedRequest, RerankRequest
from parley.llm.rerank_scores import read_scores, rerank_tokens
from parley.llm.tokens import count_tokens

log = structlog.get_logger(__name__)

_REASONS: dict[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}
# By class name, most special first, since importing the classes would import LiteLLM.
_KINDS: tuple[tuple[str, LlmErrorKind, str], ...] = (
    (
        "ContextWindowExceededError",
        "context_overflow",
        "The question with its sources is longer than {model} can read.",
    ),
    ("ContentPolicyViolationError", "refused", "{model} declined to answer this by its content rules."),
    ("AuthenticationError", "authentication", "The provider of {model} did not accept the key. Check it."),
    ("PermissionDeniedError", "authentication", "The key has no right to use {model}. Check it at the provider."),
    ("NotFoundError", "not_found", "The provider knows no model “{model}”. Check its name."),
    ("RateLimitError", "rate_limited", "The provider of {model} accepts no more calls for now. Try again later."),
    ("Timeout", "timeout", "{model} took too long to answer. Try again."),
    ("ServiceUnavailableError", "unreachable", "The provider of {model} is not available. Try again in a moment."),
    ("APIConnectionError", "unreachable", "The provider of {model} cannot be reached. Check the network."),
    ("InternalServerError", "bad_response", "The provider of {model} reported a fault of its own. Try again."),
    ("BadRequestError", "refused", "The provider of {model} did not accept the request. Check the model's settings."),
)


_CLASS_FOR_STATUS: dict[object, str] = {401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError"}


@lru_cache(maxsize=1)
def _litellm() -> Any:
    """LiteLLM, imported once, told not to download its price list, and silent."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm  # the one place that may import it, and only when needed

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    return litellm


def warm_litellm() -> threading.Thread:
    """Import LiteLLM in a background thread, at low priority; returns the thread."""
    thread = threading.Thread(target=_warm, name="warm-litellm", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        # The first call imports as much again as the import itself; this one goes nowhere.
        _litellm().completion(model="gpt-4o", messages=[{"role": "user", "content": "warm"}], mock_response="warm")
        importlib.import_module("openai.resources.chat.completions")
    except (ImportError, OSError) as error:
        log.warning("llm.litellm_not_warmed", error=type(error).__name__)


async def stream_chat(request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Stream one answer; `request.target.model` is LiteLLM's name ("anthropic/claude-…"). Raises `LlmError`.

    Closing the generator closes the provider's stream.
    """
    require_allowed(request.target.base_url)
    library = await asyncio.to_thread(_litellm)
    limits = request.timeouts
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.total
    stream: Any = None
    characters = deltas = 0
    reason: FinishReason | None = None
    usage: Usage | None = None
    try:
        async with asyncio.timeout(min(limits.first_token, limits.total)):
            stream = await library.acompletion(**_arguments(request))
        iterator = aiter(stream)
        patience = limits.first_token
        while True:
            async with asyncio.timeout(max(0.0, min(patience, end - loop.time()))):
                chunk = await anext(iterator, None)
            if chunk is None:
                break
            patience = limits.between_tokens
            text, reason, usage = _read(chunk, reason, usage)
            if text:
                deltas += 1
                characters += len(text)
                yield TextDelta(text)
    except TimeoutError as error:
        raise LlmError("timeout", f"{request.target.model} took too long to answer. Try again.") from error
    except LlmError:
        raise
    except Exception as error:
        raise _mapped(error, request.target.model) from error
    finally:
        if stream is not None:
            await _close(stream)
    if not deltas:
        raise _no_text(reason, request.target.model)
    if reason is None:
        raise LlmError("bad_response", f"{request.target.model} broke off in the middle of its answer. Try again.")
    yield Finished(reason, usage or estimated_usage(request.messages, deltas=deltas, characters=characters))


def _no_text(reason: FinishReason | None, model: str) -> LlmError:
    if reason == "content_filter":
        return LlmError("refused", f"{model} declined to answer this by its content rules.")
    return LlmError("bad_response", f"{model} gave an empty answer. Try again.")


def _read(
    chunk: Any, reason: FinishReason | None, usage: Usage | None
) -> tuple[str, FinishReason | None, Usage | None]:
    text = ""
    if chunk.choices:
        choice = chunk.choices[0]
        text = getattr(choice.delta, "content", None) or ""
        if choice.finish_reason:
            reason = _REASONS.get(choice.finish_reason, "stop")
    reported = getattr(chunk, "usage", None)
    if reported is not None:
        details = getattr(reported, "prompt_tokens_details", None)
        written = getattr(reported, "completion_tokens_details", None)
        usage = Usage(
            reported.prompt_tokens or 0,
            reported.completion_tokens or 0,
            getattr(details, "cached_tokens", None) or 0,
            cache_write_tokens=getattr(details, "cache_creation_tokens", None) or 0,
            image_tokens=getattr(details, "image_tokens", None) or 0,
            reasoning_tokens=getattr(written, "reasoning_tokens", None) or 0,
        )
    return text, reason, usage


async def _close(stream: Any) -> None:
    # LiteLLM wraps the provider's response in several layers; the innermost one with `aclose` holds the socket.
    inner = getattr(stream, "completion_stream", None)
    for layer in (getattr(inner, "response", None), inner, stream):
        close = getattr(layer, "aclose", None) or getattr(layer, "close", None)
        if close is None:
            continue
        try:
            result = close()
            if asyncio.iscoroutine(result):
                await result
        except RuntimeError as error:  # a generator that is already running or closed
            log.debug("llm.close_failed", error=type(error).__name__)


def _arguments(request: ChatRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": request.target.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_output_tokens,
        "timeout": request.timeouts.total,
        "num_retries": 0,
        "max_retries": 0,
    }
    optional = {
        "api_key": request.target.api_key,
        "api_base": request.target.base_url,
        "temperature": request.temperature,
        "stop": list(request.stop) or None,
    }
    return arguments | {name: value for name, value in optional.items() if value is not None}


def embed(request: EmbedRequest) -> EmbedResult:
    """One vector per text; synchronous; raises `LlmError`."""
    require_allowed(request.target.base_url)
    library = _litellm()
    arguments: dict[str, Any] = {"model": request.target.model, "input": list(request.texts), "num_retries": 0}
    optional = {
        "api_key": request.target.api_key,
        "api_base": request.target.base_url,
        "timeout": request.timeout_seconds,
    }
    try:
        reply = library.embedding(**arguments, **{name: value for name, value in optional.items() if value})
    except Exception as error:
        raise _mapped(error, request.target.model) from error
    vectors = [row["embedding"] for row in sorted(reply.data, key=lambda row: row["index"])]
    if len(vectors) != len(request.texts):
        raise LlmError("bad_response", f"{request.target.model} sent something that is no embedding.")
    used = getattr(reply.usage, "prompt_tokens", None)
    tokens = sum(count_tokens(text) for text in request.texts) if used is None else int(used)
    return EmbedResult(vectors=vectors, usage=Usage(tokens, 0, is_reported=used is not None))


def rerank(request: RerankRequest) -> RerankResult:
    """One score per text; synchronous; raises `LlmError`."""
    require_allowed(request.target.base_url)
    library = _litellm()
    model = request.target.model
    arguments: dict[str, Any] = {
        "model": model,
        "query": request.question,
        "documents": list(request.texts),
        "top_n": len(request.texts),
        "return_documents": False,
        "timeout": request.timeout_seconds,
    }
    optional = {"api_key": request.target.api_key, "api_base": request.target.base_url}
    try:
        reply = library.rerank(**arguments, **{name: value for name, value in optional.items() if value})
    except Exception as error:
        raise _mapped(error, model) from error
    rows = [(int(row["index"]), float(row["relevance_score"])) for row in reply.results or ()]
    used = ((reply.meta or {}).get("tokens") or {}).get("input_tokens")
    tokens = rerank_tokens(request) if used is None else int(used)
    scores = read_scores(rows, len(request.texts), where=f"The provider of {model}")
    return RerankResult(scores, Usage(tokens, 0, is_reported=used is not None))


def _mapped(error: Exception, model: str) -> LlmError:
    name = _name_of(error)
    for known, kind, sentence in _KINDS:
        if known == name:
            return LlmError(kind, sentence.format(model=model), retry_after=_retry_after(error))
    return LlmError("bad_response", f"{model} could not be called ({type(error).__name__}). Try again.")


def _name_of(error: Exception) -> str:
    """The class that says best what happened: LiteLLM files some errors under a class that is too general."""
    names = [cls.__name__ for cls in type(error).__mro__]
    name = next((known for known, _, _ in _KINDS if known in names), "")
    if name == "BadRequestError":
        return _CLASS_FOR_STATUS.get(getattr(error, "status_code", None), name)
    if name == "InternalServerError" and "connection error" in str(error).lower():
        return "APIConnectionError"
    return name


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return parse_retry_after(headers.get("retry-after"))
