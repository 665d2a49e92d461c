"""How alike two texts are in meaning, in percent: cosines of rough vectors, in microseconds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from parley.llm import embed_statically


def likeness(text: str, examples: Sequence[str]) -> int:
    """The percentage of the likeliest example: 100 for the same words, 0 for nothing in common."""
    own = _vector(text)
    products = (sum(a * b for a, b in zip(own, _vector(example), strict=True)) for example in examples)
    return max(0, *(round(100 * product) for product in products)) if examples else 0


@lru_cache(maxsize=2_000)
def _vector(text: str) -> tuple[float, ...]:
    return tuple(embed_statically([text])[0])
