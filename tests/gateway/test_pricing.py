"""What a call costs, exactly."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.gateway.contracts import FREE, LongPromptPrice, Price
from apps.gateway.pricing import QUANTUM, affordable_output, cost_of, padded_input, worst_case
from parley.llm import Usage

tokens = st.integers(0, 2_000_000)
rates = st.decimals(min_value=0, max_value=200, places=6)
maybe = st.none() | rates
steps = st.lists(
    st.builds(LongPromptPrice, st.integers(1, 1_500_000), maybe, maybe, maybe, maybe),
    max_size=2,
    unique_by=lambda step: step.above_tokens,
).map(lambda found: tuple(sorted(found, key=lambda step: step.above_tokens)))
prices = st.builds(Price, rates, rates, maybe, maybe, maybe, maybe, steps)


def test_cost_is_exact_where_floats_are_not() -> None:
    """B-07: 0.15 $/M on 1,000,001 tokens has no error in its last place."""
    price = Price(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))
    assert cost_of(price, Usage(1_000_001, 3)) == Decimal("0.150001950")
    assert cost_of(price, Usage(1_000, 0, cached_input_tokens=400)) == Decimal("0.000120000")


def test_cached_tokens_cost_as_others_without_a_price_of_their_own() -> None:
    price = Price(Decimal(2), Decimal(0))
    assert cost_of(price, Usage(500, 0, cached_input_tokens=500)) == cost_of(price, Usage(500, 0))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(prices, tokens, tokens, st.data())
def test_no_call_within_its_estimate_costs_more_than_its_reservation(
    price: Price, input_tokens: int, output_tokens: int, data: st.DataObject
) -> None:
    """B-02: only usage beyond the padded estimate can be an overage."""
    reserved = worst_case(price, input_tokens=input_tokens, max_output_tokens=output_tokens)
    used_in = data.draw(st.integers(0, padded_input(input_tokens)))
    cached = data.draw(st.integers(0, used_in))
    used_out = data.draw(st.integers(0, output_tokens))
    usage = Usage(
        used_in,
        used_out,
        cached,
        cache_write_tokens=data.draw(st.integers(0, used_in - cached)),
        image_tokens=data.draw(st.integers(0, used_in)),
        reasoning_tokens=data.draw(st.integers(0, used_out)),
    )
    assert cost_of(price, usage) <= reserved


def test_each_part_has_its_own_price_and_none_is_counted_twice() -> None:
    price = Price(Decimal(2), Decimal(10), Decimal("0.5"), Decimal("2.5"), Decimal(3), Decimal(20))
    usage = Usage(1_000, 500, 300, cache_write_tokens=100, image_tokens=200, reasoning_tokens=400)
    expected = (400 * 2 + 300 * Decimal("0.5") + 100 * Decimal("2.5") + 200 * 3 + 100 * 10 + 400 * 20) / 1_000_000
    assert cost_of(price, usage) == expected
    # A provider that reports parts larger than the whole is charged for the whole.
    assert cost_of(price, Usage(10, 10, 50, image_tokens=50, reasoning_tokens=50)) == Decimal("0.000205")


def test_a_long_prompt_is_reserved_and_charged_at_the_higher_rate() -> None:
    """B-02: the whole call costs more once its input passes the bound, and the reservation knows it beforehand."""
    price = Price(Decimal(1), Decimal(5), long_prompts=(LongPromptPrice(200_000, Decimal(2), Decimal(10)),))
    assert cost_of(price, Usage(200_000, 1_000)) == Decimal("0.205")
    assert cost_of(price, Usage(200_001, 1_000)) == Decimal("0.410002")
    # 195,000 estimated tokens may turn out to be more than 200,000.
    assert worst_case(price, input_tokens=195_000, max_output_tokens=1_000) == Decimal("0.4195")
    assert worst_case(price, input_tokens=100_000, max_output_tokens=1_000) == Decimal("0.11")


@given(prices)
def test_a_price_survives_its_storage(price: Price) -> None:
    base = Price(price.input_per_million, price.output_per_million, price.cached_input_per_million)
    assert base.with_details(price.details() or {}) == price


@given(prices, tokens, st.decimals(min_value=0, max_value=1_000, places=9))
def test_affordable_output_is_the_largest_that_fits(price: Price, input_tokens: int, available: Decimal) -> None:
    found = affordable_output(price, input_tokens=input_tokens, available=available)
    if found:
        assert worst_case(price, input_tokens=input_tokens, max_output_tokens=found) <= available
        assert worst_case(price, input_tokens=input_tokens, max_output_tokens=found + 1) > available


def test_free_models_cost_nothing() -> None:
    assert FREE.is_free
    assert worst_case(FREE, input_tokens=10**9, max_output_tokens=10**9) == 0
    assert QUANTUM.as_tuple().exponent == -9
