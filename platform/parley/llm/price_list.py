"""List prices and sizes of known models, read from the table inside the LiteLLM wheel without importing LiteLLM.

Importing it costs seconds and 180 MB; the table is 3 MB of JSON, read in 40 ms when it is first needed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from parley.llm.errors import LlmError
from parley.llm.local_model_files import wheel_file

_MILLION = Decimal(1_000_000)
_ABOVE_NAMES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
)
_ABOVE = re.compile(rf"({'|'.join(_ABOVE_NAMES)})_above_(\d+)k_tokens")


@dataclass(frozen=True, slots=True)
class KnownLongPromptPrice:
    """US dollars per million tokens of a whole call whose input is longer than `above_tokens`; None: not listed."""

    above_tokens: int
    input_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None


@dataclass(frozen=True, slots=True)
class KnownPrice:
    """US dollars per million tokens, exact decimals. What is None has no price of its own.

    `long_prompts` are the rates above a length of the prompt, the lowest bound first.
    """

    input_per_million: Decimal
    output_per_million: Decimal
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    image_per_million: Decimal | None = None
    reasoning_per_million: Decimal | None = None
    long_prompts: tuple[KnownLongPromptPrice, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownContext:
    """Sizes in tokens: how much a model reads, and the longest answer it may give (None: not listed)."""

    context_tokens: int
    max_output_tokens: int | None = None


def known_price(*, model: str, provider: str | None = None) -> KnownPrice | None:
    """The list price of a provider's model, or None when it is not listed. Unknown is never free.

    `provider` is LiteLLM's name ("openai", "mistral", …); without it, `model` may carry it ("mistral/mistral-large").
    """
    entry = _find(model, provider)
    if entry is None or "input_cost_per_token" not in entry:
        return None
    if entry.get("mode") != "embedding" and "output_cost_per_token" not in entry:
        return None
    return KnownPrice(
        input_per_million=_per_million(entry["input_cost_per_token"]),
        output_per_million=_per_million(entry.get("output_cost_per_token") or "0"),
        cached_input_per_million=_listed(entry, "cache_read_input_token_cost"),
        cache_write_per_million=_listed(entry, "cache_creation_input_token_cost"),
        image_per_million=_listed(entry, "input_cost_per_image_token"),
        reasoning_per_million=_listed(entry, "output_cost_per_reasoning_token"),
        long_prompts=_long_prompts(entry),
    )


def known_context(*, model: str, provider: str | None = None) -> KnownContext | None:
    """How much a listed model reads and writes at most, or None."""
    entry = _find(model, provider)
    size = None if entry is None else entry.get("max_input_tokens") or entry.get("max_tokens")
    if entry is None or size is None:
        return None
    longest = entry.get("max_output_tokens")
    return KnownContext(int(size), None if longest is None else int(longest))


def _long_prompts(entry: Mapping[str, Any]) -> tuple[KnownLongPromptPrice, ...]:
    """The table names bounds in its keys: `input_cost_per_token_above_200k_tokens`."""
    bounds = sorted({int(found[2]) for key in entry if (found := _ABOVE.fullmatch(key))})
    return tuple(
        KnownLongPromptPrice(
            bound * 1_000,
            *(_listed(entry, f"{name}_above_{bound}k_tokens") for name in _ABOVE_NAMES),
        )
        for bound in bounds
    )


def _listed(entry: Mapping[str, Any], key: str) -> Decimal | None:
    value = entry.get(key)
    return None if value is None else _per_million(value)


def _per_million(value: object) -> Decimal:
    # Numbers were parsed as Decimal, never as float; normalised so that 2.50 and 2.5 look the same.
    price = Decimal(str(value)) * _MILLION
    return price.quantize(Decimal(1)) if price == price.to_integral_value() else price.normalize()


def _find(model: str, provider: str | None) -> dict[str, Any] | None:
    table = _table()
    if provider is not None:
        entry = table.get(f"{provider}/{model}") or table.get(model)
        return entry if entry is not None and _is_of(entry, provider) else None
    if model in table:
        return table[model]
    prefix, _, rest = model.partition("/")
    entry = table.get(rest) if rest else None
    return entry if entry is not None and _is_of(entry, prefix) else None


def _is_of(entry: dict[str, Any], provider: str) -> bool:
    """Some providers appear under several names ("vertex_ai-language-models"); the beginning decides."""
    return str(entry.get("litellm_provider", "")).startswith(provider)


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, Any]]:
    try:
        path = wheel_file("litellm", "litellm/model_prices_and_context_window_backup.json")
    except LlmError:
        return {}
    with path.open(encoding="utf-8") as file:
        table: dict[str, dict[str, Any]] = json.load(file, parse_float=Decimal)
    table.pop("sample_spec", None)
    return table
