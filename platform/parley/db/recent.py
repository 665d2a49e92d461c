"""What was read a moment ago, so that a burst of calls reads it once."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers values for `seconds`, the last `most` of them; threads may share it.

    Keys must name the tenant: a value is given to whoever asks with its key.
    """

    def __init__(self, *, seconds: float, most: int = 1_000) -> None:
        self._seconds = seconds
        self._most = most
        self._values: dict[Hashable, tuple[float, T]] = {}

    def remembered(self, key: Hashable, read: Callable[[], T]) -> T:
        """The value of `key`, from `read` when it is not known or too old."""
        values, now = self._values, time.monotonic()
        known = values.get(key)
        if known is not None and now < known[0]:
            return known[1]
        value = read()
        if len(values) >= self._most:
            values.clear()
        values[key] = (now + self._seconds, value)
        return value

    def forget(self) -> None:
        """Drop everything. What is being read at this moment is not remembered either."""
        self._values = {}
