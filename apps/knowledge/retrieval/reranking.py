"""Puts the best candidates of a search in order once more, by whatever the base chose; never stands in its way.

A reranker sees question and passage together and few of them, so it may look closer than words and vectors of a
whole base can. If it fails, is over budget or takes too long, the fused order stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import structlog

from apps.gateway.services import reranking as gateway
from apps.knowledge.contracts import LOCAL_RERANKER, NO_RERANKER, Passage
from apps.knowledge.retrieval.local_reranker import LocalReranker
from parley.errors import Problem
from parley.llm import LlmError

log = structlog.get_logger(__name__)


class Reranker(Protocol):
    """One score in [0, 1] for each passage, in their order. May raise `Problem` or `LlmError`.

    No transaction is open meanwhile. `depth` is how many of the best passages it looks at.
    """

    depth: int

    def __call__(self, question: str, passages: Sequence[Passage]) -> list[float]: ...


class ModelReranker:
    """A rerank model of the tenant, through the gateway: budgeted, with a short patience."""

    # Each of them is paid for.
    depth = 50

    def __init__(self, model_id: UUID) -> None:
        self._model_id = model_id

    def __call__(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """The model's own scores. It reads title and headings with the text, as the embedder does."""
        texts = [" › ".join(dict.fromkeys([p.title, *p.headings])) + "\n" + p.text for p in passages]
        return gateway.rerank(question=question, texts=texts, model_id=self._model_id)


def reranker_of(name: str) -> Reranker | None:
    """The reranker that a setting names; None for none, and for a name that says nothing any more."""
    if name == NO_RERANKER:
        return None
    if name == LOCAL_RERANKER:
        return LocalReranker()
    try:
        return ModelReranker(UUID(name))
    except ValueError:
        return None


def reranked(rerank: Reranker, question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The passages, the first of them (`depth`) in the reranker's order and the others behind; or as they were.

    The score of a passage is the reranker's then, and it stands in its explanation. Those behind score less than
    any before them.
    """
    best, rest = passages[: rerank.depth], passages[rerank.depth :]
    if not best:
        return list(passages)
    try:
        scores = rerank(question, best)
    except (LlmError, Problem) as problem:
        log.warning("search.without_reranking", error=type(problem).__name__, reason=str(problem))
        return list(passages)
    judged = sorted(zip(best, scores, strict=True), key=lambda pair: -pair[1])
    least = min(scores)
    first = [_with_score(passage, score) for passage, score in judged]
    return [*first, *(replace(passage, score=round(passage.score * least, 4)) for passage in rest)]


def _with_score(passage: Passage, score: float) -> Passage:
    score = round(score, 4)
    why = passage.explanation
    return replace(passage, score=score, explanation=why and replace(why, rerank_score=score))
