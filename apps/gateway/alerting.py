"""Which thresholds a budget has reached. Arithmetic only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from apps.gateway.enums import AlertLine

THRESHOLDS = (50, 80, 100)


@dataclass(frozen=True, slots=True)
class Reached:
    """A threshold in percent of an amount in US dollars. `code` stands for it on the counters."""

    line: AlertLine
    threshold: int
    amount: Decimal

    @property
    def code(self) -> int:
        """Thresholds of the limit as they are, those of the warning line above a thousand."""
        return self.threshold + (1_000 if self.line == AlertLine.WARNING else 0)


def newly_reached(
    *, spent: Decimal, limit: Decimal | None, soft_limit: Decimal | None, told: Collection[int]
) -> list[Reached]:
    """What `spent` dollars have reached and nobody was told of, the lowest first.

    A warning line beside a limit is told when it is reached; alone it has the three thresholds of a limit.
    """
    lines: list[Reached] = []
    if limit is not None:
        lines += [Reached(AlertLine.LIMIT, threshold, limit) for threshold in THRESHOLDS]
    if soft_limit is not None:
        thresholds = THRESHOLDS if limit is None else (100,)
        lines += [Reached(AlertLine.WARNING, threshold, soft_limit) for threshold in thresholds]
    return [line for line in lines if line.code not in told and spent * 100 >= line.amount * line.threshold and spent]
