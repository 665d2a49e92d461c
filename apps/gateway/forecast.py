"""Where spending ends if it goes on as it did, with how sure that is. Exact decimals, no floats.

The remaining days are taken to cost what the last full days cost on average, independently of each other: their
sum has the standard deviation s * sqrt(n), and eight of ten outcomes of a normal variable lie within 1.2816 of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

LEAST_DAYS = 3
MOST_DAYS = 14
_EIGHT_OF_TEN = Decimal("1.2816")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Forecast:
    """US dollars at the end of the period. `low` and `high` enclose eight of ten outcomes."""

    expected: Decimal
    low: Decimal
    high: Decimal
    basis_days: int


def forecast(*, spent: Decimal, full_days: Sequence[Decimal], days_left: Decimal) -> Forecast | None:
    """The period's end from what is spent and what each full day before today cost, the latest last.

    `days_left` includes what is left of today. None while fewer than three full days are known.
    """
    basis = list(full_days)[-MOST_DAYS:]
    if len(basis) < LEAST_DAYS:
        return None
    mean = sum(basis, Decimal(0)) / len(basis)
    variance = sum(((day - mean) ** 2 for day in basis), Decimal(0)) / (len(basis) - 1)
    margin = _EIGHT_OF_TEN * (variance * days_left).sqrt()
    expected = spent + mean * days_left
    return Forecast(
        expected=expected.quantize(_CENT),
        low=max(spent, expected - margin).quantize(_CENT),
        high=(expected + margin).quantize(_CENT),
        basis_days=len(basis),
    )


def sentence(found: Forecast | None, *, until: str, limit: Decimal | None) -> str:
    """The forecast for a person: the amount, how sure it is, and what it means for the limit."""
    if found is None:
        return f"Too early to say where {until} ends: at least {LEAST_DAYS} full days of spending are needed."
    text = (
        f"If the coming days are like the last {found.basis_days}, {until} ends at about ${found.expected}; "
        f"eight times out of ten between ${found.low} and ${found.high}."
    )
    if limit is None:
        return text
    if found.low > limit:
        return f"{text} The limit of ${limit:.2f} will very likely be reached before."
    if found.high > limit:
        return f"{text} The limit of ${limit:.2f} may be reached before."
    return f"{text} That stays within the limit of ${limit:.2f}."
