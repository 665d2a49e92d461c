"""The JSON bodies of the OpenAI dialect, built by hand so that a thousand streams cost little."""

import base64
import hashlib
import json
import struct
from typing import Any

from parley.llm.fake.scripts import Script
from parley.llm.tokens import count_tokens

# Status, type, code and words as OpenAI sends them: clients read the words, too.
_ERRORS: dict[str, tuple[int, str, str, str]] = {
    "400": (400, "invalid_request_error", "unsupported_parameter", "Unsupported parameter."),
    "401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: fake-***."),
    "404": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "429": (429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached."),
    "500": (500, "server_error", "internal_error", "The server had an error."),
    "503": (503, "server_error", "overloaded", "The engine is currently overloaded."),
    "context": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    ),
}


def compact(body: object) -> bytes:
    """JSON without spaces."""
    return json.dumps(body, separators=(",", ":")).encode()


def error_for(fault: str) -> tuple[int, bytes] | None:
    """Status and body of a fault that is answered with an HTTP error; None for all others."""
    if fault not in _ERRORS:
        return None
    status, kind, code, message = _ERRORS[fault]
    return status, compact({"error": {"message": message, "type": kind, "param": None, "code": code}})


def input_tokens(body: dict[str, Any]) -> int:
    """What this provider counts for the prompt: the estimate for each message plus four for its envelope."""
    messages = body.get("messages") or []
    return sum(count_tokens(str(message.get("content") or "")) + 4 for message in messages)


def usage(script: Script, *, prompt: int, completion: int) -> dict[str, Any]:
    """The usage block, with the script's overrides."""
    prompt = prompt if script.reported_input_tokens is None else script.reported_input_tokens
    completion = completion if script.reported_output_tokens is None else script.reported_output_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": script.reported_cached_tokens},
    }


def chunk_frame(head: bytes, token: str) -> bytes:
    """One streamed token as an SSE event."""
    return b'%s%s},"finish_reason":null}]}\n\n' % (head, json.dumps(token).encode())


def chunk_head(identifier: str, model: str) -> bytes:
    """Everything of a chunk before its text; constant for one stream."""
    return (
        f'data: {{"id":{json.dumps(identifier)},"object":"chat.completion.chunk","created":1700000000,'
        f'"model":{json.dumps(model)},"choices":[{{"index":0,"delta":{{"content":'
    ).encode()


def closing_frames(identifier: str, model: str, reason: str, used: dict[str, Any] | None) -> bytes:
    """The finish reason, the usage when it was asked for, and `[DONE]`."""
    base = {"id": identifier, "object": "chat.completion.chunk", "created": 1700000000, "model": model}
    frames = [base | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
    if used is not None:
        frames.append(base | {"choices": [], "usage": used})
    return b"".join(b"data: %s\n\n" % compact(frame) for frame in frames) + b"data: [DONE]\n\n"


def whole_answer(identifier: str, model: str, text: str, reason: str, used: dict[str, Any] | None) -> bytes:
    """A non-streamed completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
    body = {
        "id": identifier,
        "object": "chat.completion",
        "created": 1700000000,
        "model": model,
        "choices": [choice],
    }
    return compact(body if used is None else body | {"usage": used})


def embeddings(body: dict[str, Any], dimensions: int) -> bytes:
    """One deterministic unit-free vector per text: equal texts get equal vectors, others unrelated ones."""
    texts = body.get("input") or []
    texts = [texts] if isinstance(texts, str) else texts
    as_base64 = body.get("encoding_format") == "base64"
    rows = [
        {"object": "embedding", "index": index, "embedding": _vector(str(text), dimensions, as_base64=as_base64)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(count_tokens(str(text)) for text in texts)
    used = {"prompt_tokens": tokens, "total_tokens": tokens}
    return compact({"object": "list", "data": rows, "model": body.get("model"), "usage": used})


def _vector(text: str, dimensions: int, *, as_base64: bool) -> list[float] | str:
    block = hashlib.shake_128(text.encode()).digest(dimensions)
    values = [(byte - 127.5) / 1450 for byte in block]
    if as_base64:
        return base64.b64encode(struct.pack(f"<{dimensions}f", *values)).decode()
    return values


def reranking(body: dict[str, Any]) -> bytes:
    """The share of the question's words in each document, the best document first."""
    asked = set(str(body.get("query", "")).lower().split())
    documents = [str(document) for document in body.get("documents") or []]
    shares = [len(asked & set(document.lower().split())) / max(1, len(asked)) for document in documents]
    rows = [{"index": place, "relevance_score": share} for place, share in enumerate(shares)]
    tokens = sum(count_tokens(document) for document in documents)
    results = sorted(rows, key=lambda row: -row["relevance_score"])
    return compact({"model": body.get("model"), "results": results, "usage": {"total_tokens": tokens}})
