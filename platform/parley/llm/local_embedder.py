"""Embeds with the bundled model: in the embedder's own process when there is one, otherwise in this one."""

import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from parley.llm.events import EmbedResult, Usage
from parley.llm.minilm import Vector, be_polite, shared_model
from parley.llm.requests import EmbedRequest

ADDRESS_VARIABLE = "PARLEY_EMBEDDER_URL"
# Repeated questions (the same search box, the same opening question) are common; 2,048 × 1.5 kB = 3 MB.
_CACHED_QUERIES = 2_048
_MAX_BULK_THREADS = 4


class _QueryCache:
    """The vectors of the latest queries."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Vector, int]] = OrderedDict()

    def get(self, text: str) -> tuple[Vector, int] | None:
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
            return found

    def put(self, text: str, vector: Vector, tokens: int) -> None:
        with self._lock:
            self._known[text] = (vector, tokens)
            if len(self._known) > self._size:
                self._known.popitem(last=False)


_queries = _QueryCache(_CACHED_QUERIES)
_pool_lock = threading.Lock()
_bulk_pool: ThreadPoolExecutor | None = None


def embed(request: EmbedRequest) -> EmbedResult:
    """Unit vectors of 384 floats, one per text, in order. The same text gives the same vector everywhere.

    Synchronous. Raises `LlmError` when the embedder process cannot be reached or the model is not installed.
    """
    if request.kind == "query" and len(request.texts) == 1:
        return _embed_query(request)
    return _embed_all(request)


def _embed_query(request: EmbedRequest) -> EmbedResult:
    text = request.texts[0]
    known = _queries.get(text)
    if known is None:
        result = _embed_all(request)
        vector = np.asarray(result.vectors[0], dtype=np.float32)
        _queries.put(text, vector, result.usage.input_tokens)
        return result
    vector, tokens = known
    return EmbedResult(vectors=[vector.tolist()], usage=Usage(tokens, 0))


def _embed_all(request: EmbedRequest) -> EmbedResult:
    address = os.environ.get(ADDRESS_VARIABLE)
    if address:
        return _embed_remotely(request, address)
    return embed_here(request.texts, is_bulk=request.kind == "passage")


def _embed_remotely(request: EmbedRequest, address: str) -> EmbedResult:
    from parley.llm.backends.openai_embeddings import embed_at  # noqa: PLC0415  # imports httpx and aiohttp

    target = replace(request.target, base_url=f"{address.rstrip('/').removesuffix('/v1')}/v1")
    headers = {"X-Parley-Embed-Kind": request.kind}
    return embed_at(replace(request, target=target), encoding="base64", headers=headers)


def embed_here(texts: tuple[str, ...], *, is_bulk: bool) -> EmbedResult:
    """Embed in this process. Bulk work runs on low-priority threads, one per core."""
    model = shared_model()
    pairs = list(bulk_pool().map(model.embed, texts)) if is_bulk else [model.embed(text) for text in texts]
    vectors = [vector.tolist() for vector, _ in pairs]
    return EmbedResult(vectors=vectors, usage=Usage(sum(tokens for _, tokens in pairs), 0))


def bulk_pool() -> ThreadPoolExecutor:
    """The low-priority threads for passages."""
    global _bulk_pool
    with _pool_lock:
        if _bulk_pool is None:
            threads = min(_MAX_BULK_THREADS, os.cpu_count() or 1)
            _bulk_pool = ThreadPoolExecutor(threads, "embed-bulk", initializer=be_polite)
        return _bulk_pool
