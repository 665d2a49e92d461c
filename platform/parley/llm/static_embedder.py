"""Rough vectors in microseconds: the mean of word vectors, with no network to run.

WordLlama's 256 dimensions are read from the installed package. They find less than the built-in model's vectors
but cost a hundredth, so they serve a new document until those are made.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

STATIC_DIMENSIONS = 256

_lock = threading.Lock()


def embed_statically(texts: Sequence[str]) -> list[list[float]]:
    """Unit vectors of 256 floats, one per text, in order; the zero vector for a text without known words."""
    if not texts:
        return []
    with _lock:
        model = _model()
    vectors = np.asarray(model.embed([text or " " for text in texts]), dtype=np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: list[list[float]] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0).tolist()
    return unit


@lru_cache(maxsize=1)
def _model() -> Any:
    import wordllama

    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
