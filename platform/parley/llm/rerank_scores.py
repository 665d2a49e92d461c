"""Rerank models: their scores made comparable, one in [0, 1] for each text in order; and what a call reads."""

from __future__ import annotations

import math
from collections.abc import Iterable

from parley.llm.errors import LlmError
from parley.llm.requests import RerankRequest
from parley.llm.tokens import count_tokens


def read_scores(rows: Iterable[tuple[int, float]], count: int, *, where: str) -> list[float]:
    """Scores by place from (index, score) rows in any order; a text that was left out counts as unfit.

    Most models answer in [0, 1]. Some servers send the bare logit instead; if any score lies outside, all are taken
    for logits. Raises `LlmError` for rows that name no text or hold no number.
    """
    found = dict(rows)
    if not found or not all(0 <= place < count and math.isfinite(score) for place, score in found.items()):
        raise LlmError("bad_response", f"{where} sent something that is no order of passages. Check the model's name.")
    if not all(0.0 <= score <= 1.0 for score in found.values()):
        found = {place: _logistic(score) for place, score in found.items()}
    return [found.get(place, 0.0) for place in range(count)]


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, value))))


def rerank_tokens(request: RerankRequest) -> int:
    """Tokens that the call reads: such a model reads the question with every text."""
    question = count_tokens(request.question)
    return sum(question + count_tokens(text) for text in request.texts)
