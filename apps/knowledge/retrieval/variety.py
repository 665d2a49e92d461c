"""Says everything once: passages that repeat a better one go, and the others can be spread over subjects. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Key = TypeVar("Key", bound=Hashable)
Vector = npt.NDArray[np.float32]

_WORD = re.compile(r"\w+")
_SHINGLE = 4
# Two versions of a paragraph that differ in one word of twenty share about two thirds of their shingles.
SAME_FROM = 0.8


def shingles(text: str) -> frozenset[int]:
    """The runs of four words of a text, hashed; a shorter text is one shingle."""
    words = _WORD.findall(text.lower())
    if len(words) <= _SHINGLE:
        return frozenset([hash(tuple(words))])
    return frozenset(hash(tuple(words[at : at + _SHINGLE])) for at in range(len(words) - _SHINGLE + 1))


def without_repeats(ranked: Sequence[Key], text_of: Callable[[Key], str], *, limit: int) -> list[Key]:
    """The first `limit` of `ranked` that are not nearly equal to an earlier one.

    Nearly equal is a resemblance (Jaccard, of shingles; Broder 1997) of .8, or containing each other so far.
    """
    kept: list[Key] = []
    seen: list[frozenset[int]] = []
    for key in ranked:
        if len(kept) == limit:
            break
        own = shingles(text_of(key))
        if any(_resemblance(own, other) >= SAME_FROM for other in seen):
            continue
        kept.append(key)
        seen.append(own)
    return kept


def _resemblance(one: frozenset[int], other: frozenset[int]) -> float:
    together = len(one | other)
    return len(one & other) / together if together else 1.0


def spread(scores: Mapping[Key, float], vectors: Mapping[Key, Vector], *, diversity: float) -> list[Key]:
    """The keys in the order of maximal marginal relevance (Carbonell, Goldstein, SIGIR 1998).

    Each next one is the best by (1 - `diversity`) x score - `diversity` x its closest cosine to those before.
    Scores in [0, 1], unit vectors; a key without a vector resembles nothing.
    """
    left = sorted(scores, key=lambda key: -scores[key])
    closest = dict.fromkeys(left, 0.0)
    chosen: list[Key] = []
    while left:
        best = max(left, key=lambda key: (1.0 - diversity) * scores[key] - diversity * closest[key])
        chosen.append(best)
        left.remove(best)
        if best in vectors:
            for key in left:
                # Vectors of two models cannot be compared.
                if key in vectors and vectors[key].shape == vectors[best].shape:
                    closest[key] = max(closest[key], float(vectors[key] @ vectors[best]))
    return chosen
