"""Shares that stick: the same conversation always falls on the same side. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

_BUCKETS: Final = 10_000


def bucket_of(salt: str, key: str) -> int:
    """A number in 0..9999 that depends on nothing but its arguments, evenly spread over keys."""
    digest = hashlib.sha256(f"{salt}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS


def is_within(salt: str, key: str, percent: int) -> bool:
    """Whether a key belongs to so many percent of all keys. A larger share keeps every key of a smaller one."""
    return bucket_of(salt, key) < percent * _BUCKETS // 100


def choose_weighted(salt: str, key: str, weights: Sequence[int]) -> int:
    """The index of the weight that a key falls on; weights are whole numbers with a sum above zero."""
    place = bucket_of(salt, key) * sum(weights)
    reached = 0
    for index, weight in enumerate(weights):
        reached += weight * _BUCKETS
        if place < reached:
            return index
    raise ValueError("The weights have no sum.")
