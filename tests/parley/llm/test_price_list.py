"""List prices: exact, by provider, never guessed, and without importing LiteLLM."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from parley.llm import known_context, known_price


def test_prices_are_exact_decimals_per_million() -> None:
    """B-07: the table's numbers are read as decimals, so 2.5e-06 a token is 2.5 a million and nothing near it."""
    price = known_price(provider="openai", model="gpt-4o")
    assert price is not None
    assert (price.input_per_million, price.output_per_million) == (Decimal("2.5"), Decimal(10))
    assert price.cached_input_per_million == Decimal("1.25")
    assert all(isinstance(value, Decimal) for value in (price.input_per_million, price.output_per_million))


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "no-such-model"), ("groq", "gpt-4o"), (None, "gpt"), (None, "groq/gpt-4o"), ("", "")],
)
def test_an_unknown_model_has_no_price(provider: str | None, model: str) -> None:
    """B-08: unknown is not free."""
    if provider == "" or not model:
        assert known_price(provider=provider, model="") is None
    assert known_price(provider=provider, model=model) is None
    assert known_context(provider=provider, model=model) is None


def test_a_model_may_carry_its_providers_name() -> None:
    assert known_price(model="openai/gpt-4o") == known_price(provider="openai", model="gpt-4o")


def test_sizes_are_known() -> None:
    size = known_context(provider="openai", model="gpt-4o")
    assert size is not None
    assert (size.context_tokens, size.max_output_tokens) == (128_000, 16_384)


def test_an_embedding_model_costs_its_input() -> None:
    price = known_price(provider="openai", model="text-embedding-3-small")
    assert price is not None
    assert (price.input_per_million, price.output_per_million) == (Decimal("0.02"), Decimal(0))


def test_nothing_here_imports_litellm() -> None:
    """Its import takes seconds and 180 MB, which a web process must not pay before it is needed."""
    code = (
        "import sys, parley.llm as llm; llm.known_price(provider='openai', model='gpt-4o');"
        "print(any(name.split('.')[0] in {'litellm', 'onnxruntime', 'xllamacpp'} for name in sys.modules))"
    )
    platform = Path(__file__).parents[3] / "platform"
    reply = subprocess.run([sys.executable, "-c", code], cwd=platform, capture_output=True, text=True, check=True)
    assert reply.stdout.strip() == "False"


def test_parts_and_long_prompts_have_their_prices() -> None:
    """Read from the table's own keys: the bound stands in the name."""
    price = known_price(model="gemini-2.5-pro", provider="gemini")
    assert price is not None
    (step,) = price.long_prompts
    assert step.above_tokens == 200_000
    assert step.input_per_million == 2 * price.input_per_million
    thinking = known_price(model="gemini-2.5-flash", provider="gemini")
    assert thinking is not None
    assert thinking.reasoning_per_million is not None
