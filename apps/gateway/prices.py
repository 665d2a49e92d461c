"""Which price counts for a model: its own, nothing for what runs here, else LiteLLM's list.

Unknown stays unknown, and then the model cannot be called (B-08).
"""

from __future__ import annotations

from apps.gateway.contracts import FREE, Price
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
    price = Price(listed.input_per_million, listed.output_per_million, listed.cached_input_per_million)
    return price, PriceOrigin.TABLE
