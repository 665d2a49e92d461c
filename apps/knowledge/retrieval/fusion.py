"""One order out of two: scores by words and by meaning, made comparable and weighed.

A convex combination of scores keeps what ranks throw away, namely by how much the first is better than the
second (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023). Each list is
scaled by the most it reached for this question and by the least it could ever reach, which is 0 for both: a
passage without any word of the question, and one at a right angle to it. (Below a right angle nothing is
relevant, so -1, the least a cosine can be, would only press the useful part of the scale together.)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

# The only figure fitted; flat between .5 and .7 on four public sets (docs/decisions/0005-fusion.md).
_WEIGHT_AT_EQUALITY = 0.6


def automatic_vector_weight(similarities: Mapping[Key, float]) -> float:
    """How much meaning shall count for one question: as much as the nearest passage is near.

    Where even the best cosine is small (codes, names, languages that the embedder does not know) the order by
    meaning is mostly noise, and words decide. No labels are needed, and no base has to be tuned.
    """
    return _WEIGHT_AT_EQUALITY * max(0.0, min(1.0, max(similarities.values(), default=0.0)))


def fuse(words: Mapping[Key, float], similarities: Mapping[Key, float], *, vector_weight: float) -> dict[Key, float]:
    """Fused scores in [0, 1], best first; 1.0 leads both lists. What a list does not hold counts 0 there.

    `vector_weight` in [0, 1] is the share of meaning. An empty list takes no part: the other decides alone.
    """
    if not words or not similarities:
        vector_weight = 1.0 if similarities else 0.0
    by_words, by_meaning = _scaled(words), _scaled(similarities)
    fused = {
        key: (1.0 - vector_weight) * by_words.get(key, 0.0) + vector_weight * by_meaning.get(key, 0.0)
        for key in dict.fromkeys([*words, *similarities])
    }
    return dict(sorted(fused.items(), key=lambda item: -item[1]))


def _scaled(scores: Mapping[Key, float]) -> dict[Key, float]:
    most = max(scores.values(), default=0.0)
    return {key: max(0.0, score) / most if most > 0 else 0.0 for key, score in scores.items()}
