"""Whether a passage is about the question at all. Pure.

Fused scores only order the results of one question: the best of nothing is still 1. Relevance compares across
questions, so a threshold can be held against it.
"""

from __future__ import annotations

from parley.llm.words import content_stems


def question_stems(question: str) -> frozenset[str]:
    """What a question asks about, as stems."""
    return frozenset(content_stems(question))


def relevance(asked: frozenset[str], passage: str, similarity: float | None) -> float:
    """The mean of the cosine and of the share of the question's words that the passage holds, in [0, 1].

    Without a cosine, or without words that mean something, the other decides alone.
    """
    meaning = None if similarity is None else max(0.0, min(1.0, similarity))
    words = len(asked & set(content_stems(passage))) / len(asked) if asked else None
    known = [value for value in (meaning, words) if value is not None]
    return sum(known) / len(known) if known else 0.0
