"""Which price counts for a model: its own, nothing for what runs here, else LiteLLM's list.

Unknown stays unknown, and then the model cannot be called (B-08).
"""

from __future__ import annotations

from apps.gateway.contracts import FREE, LongPromptPrice, Price
from apps.gateway.enums import PriceOrigin, ProviderKind
from apps.gateway.routing.catalog import price_list_name
from parley.llm import known_price

_BUILT_IN = (ProviderKind.LOCAL, ProviderKind.EXTRACTIVE)


def price_of(
    *, kind: str, litellm_provider: str, base_url: str, model_name: str, own: Price | None
) -> tuple[Price | None, PriceOrigin]:
    """The price and where it comes from; `(None, UNKNOWN)` when nobody knows it."""
    if own is not None:
        return own, PriceOrigin.OWN
    if kind in _BUILT_IN:
        return FREE, PriceOrigin.FREE
    provider = price_list_name(kind=kind, litellm_provider=litellm_provider, base_url=base_url)
    listed = known_price(model=model_name, provider=provider) if provider is not None else None
    if listed is None:
        return None, PriceOrigin.UNKNOWN
    steps = tuple(
        LongPromptPrice(
            step.above_tokens,
            step.input_per_million,
            step.output_per_million,
            step.cached_input_per_million,
            step.cache_write_per_million,
        )
        for step in listed.long_prompts
    )
    price = Price(
        listed.input_per_million,
        listed.output_per_million,
        listed.cached_input_per_million,
        listed.cache_write_per_million,
        listed.image_per_million,
        listed.reasoning_per_million,
        steps,
    )
    return price, PriceOrigin.TABLE
