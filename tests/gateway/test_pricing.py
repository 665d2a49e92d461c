"""What a call costs, exactly."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.contracts import FREE, Price
from apps.gateway.pricing import QUANTUM, affordable_output, cost_of, padded_input, worst_case
from parley.llm import Usage

tokens = st.integers(0, 2_000_000)
rates = st.decimals(min_value=0, max_value=200, places=6)
prices = st.builds(Price, rates, rates, st.none() | rates)


def test_cost_is_exact_where_floats_are_not() -> None:
    """B-07: 0.15 $/M on 1,000,001 tokens has no error in its last place."""
    price = Price(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))
    assert cost_of(price, Usage(1_000_001, 3)) == Decimal("0.150001950")
    assert cost_of(price, Usage(1_000, 0, cached_input_tokens=400)) == Decimal("0.000120000")


def test_cached_tokens_cost_as_others_without_a_price_of_their_own() -> None:
    price = Price(Decimal(2), Decimal(0))
    assert cost_of(price, Usage(500, 0, cached_input_tokens=500)) == cost_of(price, Usage(500, 0))


@given(prices, tokens, tokens, st.data())
def test_no_call_within_its_estimate_costs_more_than_its_reservation(
    price: Price, input_tokens: int, output_tokens: int, data: st.DataObject
) -> None:
    """B-02: only usage beyond the padded estimate can be an overage."""
    reserved = worst_case(price, input_tokens=input_tokens, max_output_tokens=output_tokens)
    used_in = data.draw(st.integers(0, padded_input(input_tokens)))
    cached = data.draw(st.integers(0, used_in))
    used_out = data.draw(st.integers(0, output_tokens))
    assert cost_of(price, Usage(used_in, used_out, cached)) <= reserved


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
