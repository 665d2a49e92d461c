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
    """US dollars for the tokens of one call, each part at its own price."""
    rates = price.at(usage.input_tokens)
    read, write = usage.input_tokens, usage.output_tokens
    cached = min(usage.cached_input_tokens, read)
    stored = min(usage.cache_write_tokens, read - cached)
    seen = min(usage.image_tokens, read - cached - stored)
    thought = min(usage.reasoning_tokens, write)
    dollars = (
        (read - cached - stored - seen) * rates.input_per_million
        + cached * _or(rates.cached_input_per_million, rates.input_per_million)
        + stored * _or(rates.cache_write_per_million, rates.input_per_million)
        + seen * _or(rates.image_per_million, rates.input_per_million)
        + (write - thought) * rates.output_per_million
        + thought * _or(rates.reasoning_per_million, rates.output_per_million)
    ) / _MILLION
    return dollars.quantize(QUANTUM, rounding=ROUND_HALF_UP)


def _or(rate: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if rate is None else rate


def padded_input(input_tokens: int) -> int:
    """The input tokens to reserve for: the estimate and its margin, rounded up."""
    return int((input_tokens * INPUT_MARGIN).to_integral_value(rounding=ROUND_CEILING))


def worst_case(price: Price, *, input_tokens: int, max_output_tokens: int) -> Decimal:
    """The most that one call can cost, in US dollars: what a reservation sets aside."""
    dollars = (_worst_input(price, input_tokens) + max_output_tokens * _worst_output(price, input_tokens)) / _MILLION
    return dollars.quantize(QUANTUM, rounding=ROUND_CEILING)


def affordable_output(price: Price, *, input_tokens: int, available: Decimal) -> int:
    """The largest number of output tokens whose worst case fits into `available` dollars, or 0.

    `available` comes from a money column: a whole number of billionths, so that rounding up cannot pass it.
    """
    left = available * _MILLION - _worst_input(price, input_tokens)
    rate = _worst_output(price, input_tokens)
    if left < 0 or not rate:
        return 0
    return int(left // rate)


def _worst_input(price: Price, input_tokens: int) -> Decimal:
    """Millionths of dollars for the padded input, at the dearest rate that a part of it can have.

    Cached input can be dearer than other input (a price of writing the cache), and so can images. The estimate's
    margin may pass the bound of long prompts: then the higher rates are reserved.
    """
    padded = padded_input(input_tokens)
    return padded * max(_input_rate(rates) for rates in _possible(price, padded))


def _worst_output(price: Price, input_tokens: int) -> Decimal:
    """Dollars per million tokens of output, at the dearest rate that a part of it can have."""
    return max(
        max(rates.output_per_million, rates.reasoning_per_million or Decimal(0))
        for rates in _possible(price, padded_input(input_tokens))
    )


def _possible(price: Price, most_input: int) -> list[Price]:
    """The rates that a call with at most so much input can be charged at; higher bounds need not be dearer."""
    return [
        price.at(0),
        *(price.at(step.above_tokens + 1) for step in price.long_prompts if most_input > step.above_tokens),
    ]


def _input_rate(rates: Price) -> Decimal:
    parts = (rates.cached_input_per_million, rates.cache_write_per_million, rates.image_per_million)
    return max(rates.input_per_million, *(rate for rate in parts if rate is not None), Decimal(0))
