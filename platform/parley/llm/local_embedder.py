"""Embeds with the bundled model: in the embedder's own process when there is one, otherwise in this one."""

import os
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import numpy as np

from parley.llm.events import EmbedResult, Usage
from parley.llm.minilm import DIMENSIONS, Matrix, Vector, be_polite, shared_model
from parley.llm.requests import EmbedRequest, EmbedTarget

ADDRESS_VARIABLE = "PARLEY_EMBEDDER_URL"
# Questions repeat, and so do the sentences that answer them; 4,096 × 1.5 kB = 6 MB.
_CACHED_TEXTS = 4_096
_MAX_BULK_THREADS = 4
_QUERY_THREADS = 2


class _ShortTextCache:
    """The vectors of the short texts that were needed last. Tenants may share: a vector depends on its text alone."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Vector] = OrderedDict()

    def get(self, text: str) -> Vector | None:
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
            return found

    def put(self, text: str, vector: Vector) -> None:
        with self._lock:
            self._known[text] = vector
            if len(self._known) > self._size:
                self._known.popitem(last=False)


_short_texts = _ShortTextCache(_CACHED_TEXTS)


def embed(request: EmbedRequest) -> EmbedResult:
    """Unit vectors of 384 floats, one per text, in order. The same text gives the same vector everywhere.

    Synchronous. Raises `LlmError` when the embedder process cannot be reached or the model is not installed.
    """
    if request.kind == "passage":
        return _embed_all(request)
    vectors, tokens = _embed_remembered(request)
    return EmbedResult(vectors=vectors.tolist(), usage=Usage(tokens, 0))


def embed_short(texts: tuple[str, ...]) -> Matrix:
    """Unit vectors of questions and sentences as rows of one matrix; texts seen lately cost nothing."""
    return _embed_remembered(EmbedRequest(EmbedTarget(), texts, "query"))[0]


def _embed_remembered(request: EmbedRequest) -> tuple[Matrix, int]:
    known = {text: _short_texts.get(text) for text in request.texts}
    missing = tuple(text for text, found in known.items() if found is None)
    tokens = 0
    if missing:
        fresh = _embed_all(EmbedRequest(request.target, missing, "query"))
        for text, values in zip(missing, fresh.vectors, strict=True):
            fresh_vector = np.asarray(values, dtype=np.float32)
            known[text] = fresh_vector
            _short_texts.put(text, fresh_vector)
        tokens = fresh.usage.input_tokens
    rows = [vector for text in request.texts if (vector := known[text]) is not None]
    return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), dtype=np.float32), tokens


def _embed_all(request: EmbedRequest) -> EmbedResult:
    address = os.environ.get(ADDRESS_VARIABLE)
    if address:
        return _embed_remotely(request, address)
    return embed_here(request.texts, is_bulk=request.kind == "passage")


def _embed_remotely(request: EmbedRequest, address: str) -> EmbedResult:
    from parley.llm.backends.openai_embeddings import embed_at  # imports httpx and aiohttp

    target = replace(request.target, base_url=f"{address.rstrip('/').removesuffix('/v1')}/v1")
    headers: dict[str, str] = {"X-Parley-Embed-Kind": request.kind}
    return embed_at(replace(request, target=target), encoding="base64", headers=headers)


def embed_here(texts: tuple[str, ...], *, is_bulk: bool) -> EmbedResult:
    """Embed in this process. Bulk work runs on low-priority threads, one per core."""
    model = shared_model()
    if is_bulk:
        pairs = list(bulk_pool().map(model.embed, texts))
    elif len(texts) > 1:
        pairs = list(query_pool().map(model.embed, texts))
    else:
        pairs = [model.embed(text) for text in texts]
    vectors = [vector.tolist() for vector, _ in pairs]
    return EmbedResult(vectors=vectors, usage=Usage(sum(tokens for _, tokens in pairs), 0))


@lru_cache(maxsize=1)
def query_pool() -> ThreadPoolExecutor:
    """The threads for questions, at normal priority."""
    return ThreadPoolExecutor(_QUERY_THREADS, "embed-query")


@lru_cache(maxsize=1)
def bulk_pool() -> ThreadPoolExecutor:
    """The low-priority threads for passages."""
    threads = min(_MAX_BULK_THREADS, os.cpu_count() or 1)
    return ThreadPoolExecutor(threads, "embed-bulk", initializer=be_polite)
