"""Stops asking a model that keeps failing, so that its visitors do not all wait for the same silence. Pure.

One breaker for each process: it saves waiting, it decides nothing about money.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

FAILURES = 5
WINDOW_SECONDS = 30.0
PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class _Circuit:
    """The latest failures of one model, and until when it is left alone (0: it is not)."""

    failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    open_until: float = 0.0


class Breaker:
    """Five failures within 30 seconds open the circuit for 30; then one call probes (safety.md §5).

    `now` is a monotonic clock's seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._circuits: dict[Hashable, _Circuit] = {}

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether a model may be asked. The first caller after the pause is the probe; others go on waiting."""
        circuit = self._circuits.get(key)
        if circuit is None or not circuit.open_until:
            return True
        if now < circuit.open_until:
            return False
        circuit.open_until = now + PAUSE_SECONDS
        return True

    def failed(self, key: Hashable, now: float) -> None:
        """Note a failure that may be the model's fault."""
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failed_at.append(now)
        is_full = len(circuit.failed_at) == FAILURES
        if circuit.open_until or (is_full and now - circuit.failed_at[0] <= WINDOW_SECONDS):
            circuit.open_until = now + PAUSE_SECONDS

    def worked(self, key: Hashable) -> None:
        """Note an answer: the model is well again."""
        self._circuits.pop(key, None)
