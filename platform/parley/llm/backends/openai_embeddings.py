"""Embeddings from servers that speak the OpenAI dialect; synchronous, because jobs and searches are."""

import base64
from typing import Any

import httpx
import numpy as np

from parley.llm.backends.faults import place
from parley.llm.backends.json_call import post_json
from parley.llm.backends.openai_dialect import DEFAULT_BASE_URL
from parley.llm.errors import LlmError
from parley.llm.events import EmbedResult, Usage
from parley.llm.guard import require_allowed
from parley.llm.requests import EmbedRequest
from parley.llm.tokens import count_tokens

_TIMEOUT = httpx.Timeout(120.0, connect=5.0)
_MAX_TEXTS_PER_CALL = 256


def embed(request: EmbedRequest) -> EmbedResult:
    """One vector per text of `request`; raises `LlmError`."""
    return embed_at(request, encoding="float")


def embed_at(request: EmbedRequest, *, encoding: str, headers: dict[str, str] | None = None) -> EmbedResult:
    """The same with `encoding` "base64" for servers known to speak it (a quarter of the bytes), and extra headers."""
    base_url = request.target.base_url or DEFAULT_BASE_URL
    require_allowed(base_url)
    vectors: list[list[float]] = []
    tokens, is_reported = 0, True
    for start in range(0, len(request.texts), _MAX_TEXTS_PER_CALL):
        texts = request.texts[start : start + _MAX_TEXTS_PER_CALL]
        reply = _post(request, base_url, texts, encoding, headers or {})
        vectors += _vectors(reply, len(texts), base_url)
        used = (reply.get("usage") or {}).get("prompt_tokens")
        is_reported = is_reported and used is not None
        tokens += used if used is not None else sum(count_tokens(text) for text in texts)
    return EmbedResult(vectors=vectors, usage=Usage(tokens, 0, is_reported=is_reported))


def _post(
    request: EmbedRequest, base_url: str, texts: tuple[str, ...], encoding: str, headers: dict[str, str]
) -> dict[str, Any]:
    return post_json(
        base_url,
        "embeddings",
        {"model": request.target.model, "input": list(texts), "encoding_format": encoding},
        api_key=request.target.api_key,
        timeout=_TIMEOUT if request.timeout_seconds is None else request.timeout_seconds,
        headers=headers,
        purpose="embed the text",
    )


def _vectors(reply: dict[str, Any], expected: int, base_url: str) -> list[list[float]]:
    try:
        rows = sorted(reply["data"], key=lambda row: row["index"])
        vectors = [_vector(row["embedding"]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise _no_embedding(place(base_url)) from error
    if len(vectors) != expected:
        raise _no_embedding(place(base_url))
    return vectors


def _vector(value: list[float] | str) -> list[float]:
    if isinstance(value, str):
        decoded: list[float] = np.frombuffer(base64.b64decode(value), dtype="<f4").tolist()
        return decoded
    return [float(number) for number in value]


def _no_embedding(where: str) -> LlmError:
    return LlmError("bad_response", f"{where} sent something that is no embedding. Check the model's name.")
