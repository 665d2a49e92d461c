"""What a call costs, in exact decimals. No float may enter: it would never add up (B-07)."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from apps.gateway.contracts import Price
from parley.llm import Usage

_MILLION = Decimal(1_000_000)
# Money columns are numeric(18, 9).
QUANTUM = Decimal("0.000000001")
# Input is counted by an estimate, so a reservation carries this much more of it (safety.md §4).
INPUT_MARGIN = Decimal("1.05")


def cost_of(price: Price, usage: Usage) -> Decimal:
    """US dollars for the tokens of one call. Cached input is part of `input_tokens` and has its own price."""
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    cached_price = price.cached_input_per_million
    if cached_price is None:
        cached_price = price.input_per_million
    dollars = (
        (usage.input_tokens - cached) * price.input_per_million
        + cached * cached_price
        + usage.output_tokens * price.output_per_million
    ) / _MILLION
    return dollars.quantize(QUANTUM, rounding=ROUND_HALF_UP)


def padded_input(input_tokens: int) -> int:
    """The input tokens to reserve for: the estimate and its margin, rounded up."""
    return int((input_tokens * INPUT_MARGIN).to_integral_value(rounding=ROUND_CEILING))


def worst_case(price: Price, *, input_tokens: int, max_output_tokens: int) -> Decimal:
    """The most that one call can cost, in US dollars: what a reservation sets aside."""
    dollars = (_worst_input(price, input_tokens) + max_output_tokens * price.output_per_million) / _MILLION
    return dollars.quantize(QUANTUM, rounding=ROUND_CEILING)


def affordable_output(price: Price, *, input_tokens: int, available: Decimal) -> int:
    """The largest number of output tokens whose worst case fits into `available` dollars, or 0.

    `available` comes from a money column: a whole number of billionths, so that rounding up cannot pass it.
    """
    left = available * _MILLION - _worst_input(price, input_tokens)
    if left < 0 or not price.output_per_million:
        return 0
    return int(left // price.output_per_million)


def _worst_input(price: Price, input_tokens: int) -> Decimal:
    """Millionths of dollars for the padded input.

    Cached input can be dearer than other input (a price of writing the cache), so the higher one counts.
    """
    return padded_input(input_tokens) * max(price.input_per_million, price.cached_input_per_million or Decimal(0))
