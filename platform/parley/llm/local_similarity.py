"""Closeness in meaning by the local embedder, remembering sentences: documents repeat themselves across questions."""

from collections.abc import Sequence

import numpy as np
import structlog

from parley.llm.errors import LlmError
from parley.llm.local_embedder import embed_short

log = structlog.get_logger(__name__)


def local_similarity(question: str, texts: Sequence[str]) -> list[float] | None:
    """Cosine of the question with each text; None when the embedder cannot be reached. Synchronous, 7 ms a text."""
    try:
        vectors = embed_short((question, *texts))
    except LlmError as error:
        log.warning("llm.similarity_unavailable", kind=error.kind)
        return None
    closeness: list[float] = (vectors[1:] @ vectors[0]).astype(np.float64).tolist()
    return closeness
