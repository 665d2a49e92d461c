"""The bundled embedder as a process of its own, so that web and workers share one copy of the model.

`python -m parley.llm.embedder_server --port N` serves `POST /v1/embeddings` (OpenAI dialect) and `GET /healthz` on
loopback. A question never waits behind a document: it has threads of its own, and bulk threads run at low priority.
"""

import argparse
import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from parley.llm.local_embedder import bulk_pool, query_pool
from parley.llm.minilm import Vector, shared_model

MODEL_NAME = "all-MiniLM-L6-v2"
_MAX_BODY = 32 * 1024 * 1024
_MAX_TEXTS = 2_048
# Up to this many texts without a stated kind count as questions.
_FEW_TEXTS = 2

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Unacceptable(Exception):
    """The request cannot be served; the sentence goes to the caller."""


class EmbedderApp:
    """The ASGI application."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if method == "GET" and path in ("/healthz", "/health"):
            await _respond(send, 200, {"status": "ok"})
        elif method == "GET" and path == "/v1/models":
            await _respond(send, 200, {"object": "list", "data": [{"id": MODEL_NAME, "object": "model"}]})
        elif method == "POST" and path == "/v1/embeddings":
            await self._answer(scope, receive, send)
        else:
            await _respond(send, 404, _error("Only /v1/embeddings, /v1/models and /healthz are served here."))

    async def _answer(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        try:
            texts, as_base64 = _parse(await _read_body(receive))
        except _Unacceptable as problem:
            await _respond(send, 400, _error(str(problem)))
            return
        kind = dict(scope["headers"]).get(b"x-parley-embed-kind", b"")
        is_query = kind == b"query" or (not kind and len(texts) <= _FEW_TEXTS)
        pool = query_pool() if is_query else bulk_pool()
        loop = asyncio.get_running_loop()
        model = shared_model()
        pairs = await asyncio.gather(*(loop.run_in_executor(pool, model.embed, text) for text in texts))
        tokens = sum(count for _, count in pairs)
        rows = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, as_base64=as_base64)}
            for index, (vector, _) in enumerate(pairs)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        await _respond(send, 200, {"object": "list", "data": rows, "model": MODEL_NAME, "usage": usage})


async def _read_body(receive: _Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Unacceptable("The caller went away.")
        part = message.get("body", b"")
        size += len(part)
        if size > _MAX_BODY:
            raise _Unacceptable("The request is larger than 32 MiB. Send fewer texts at once.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _parse(body: bytes) -> tuple[list[str], bool]:
    try:
        fields = json.loads(body)
        texts = fields["input"]
    except (ValueError, KeyError, TypeError) as error:
        raise _Unacceptable('Send JSON with "input": a text or a list of texts.') from error
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _Unacceptable('"input" must be a text or a list of texts.')
    if len(texts) > _MAX_TEXTS:
        raise _Unacceptable(f"Send at most {_MAX_TEXTS} texts at once.")
    return texts, fields.get("encoding_format") == "base64"


def _encoded(vector: Vector, *, as_base64: bool) -> list[float] | str:
    if as_base64:
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers


def _error(sentence: str) -> dict[str, Any]:
    return {"error": {"message": sentence, "type": "invalid_request_error", "param": None, "code": None}}


async def _respond(send: _Send, status: int, body: dict[str, Any]) -> None:
    raw = json.dumps(body, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})


def main() -> None:
    """Load the model, then serve until the process is told to end."""
    parser = argparse.ArgumentParser(description="Serve the bundled embedding model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    shared_model().embed("warm")
    uvicorn.run(
        EmbedderApp(),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
