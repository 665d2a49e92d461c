"""Stops asking a model that keeps failing, so that its visitors do not all wait for the same silence. Pure.

One breaker for each process: it saves waiting, it decides nothing about money. A circuit is a provider's key and one
of its models: another key, or another model, may be well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

FAILURES = 5
WINDOW_SECONDS = 30.0
PAUSE_SECONDS = 30.0
# A provider may ask for any rest; after this long it is worth another question.
LONGEST_REST_SECONDS = 300.0


@dataclass(slots=True)
class _Circuit:
    """The latest failures of one model, and until when it is left alone (0: it is not).

    `resting_until` is what the provider itself asked for (`Retry-After`); after it nobody has to probe.
    """

    failed_at: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    open_until: float = 0.0
    resting_until: float = 0.0


class Breaker:
    """Five failures within 30 seconds open the circuit for 30; then one call probes (safety.md §5).

    `now` is a monotonic clock's seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._circuits: dict[Hashable, _Circuit] = {}

    def allows(self, key: Hashable, now: float) -> bool:
        """Whether a model may be asked. The first caller after the pause is the probe; others go on waiting."""
        circuit = self._circuits.get(key)
        if circuit is None:
            return True
        if now < circuit.resting_until:
            return False
        if not circuit.open_until:
            return True
        if now < circuit.open_until:
            return False
        circuit.open_until = now + PAUSE_SECONDS
        return True

    def pause_left(self, key: Hashable, now: float) -> float:
        """Seconds until a model may be asked again; 0 when it may be now. Changes nothing."""
        circuit = self._circuits.get(key)
        return 0.0 if circuit is None else max(0.0, circuit.open_until - now, circuit.resting_until - now)

    def last_failed(self, key: Hashable) -> float:
        """When it failed last, 0 for never or for well since."""
        circuit = self._circuits.get(key)
        return circuit.failed_at[-1] if circuit is not None and circuit.failed_at else 0.0

    def failed(self, key: Hashable, now: float, *, rest: float | None = None) -> float:
        """Note a failure that may be the model's fault; `rest` is what the provider asked for, in seconds.

        Returns the seconds that the model is left alone from now on.
        """
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failed_at.append(now)
        is_full = len(circuit.failed_at) == FAILURES
        if circuit.open_until or (is_full and now - circuit.failed_at[0] <= WINDOW_SECONDS):
            circuit.open_until = now + PAUSE_SECONDS
        if rest is not None:
            circuit.resting_until = max(circuit.resting_until, now + min(rest, LONGEST_REST_SECONDS))
        return self.pause_left(key, now)

    def worked(self, key: Hashable) -> None:
        """Note an answer: the model is well again."""
        self._circuits.pop(key, None)
