"""Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): ranks compare where scores do not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

RANK_CONSTANT = 60


def fuse(rankings: Sequence[Sequence[Key]]) -> dict[Key, float]:
    """Sum of 1 / (60 + rank) over the lists, scaled so that leading every list is 1.0; best first."""
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking, start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (RANK_CONSTANT + rank)
    best = len(rankings) / (RANK_CONSTANT + 1)
    return {key: score / best for key, score in sorted(scores.items(), key=lambda item: -item[1])}
