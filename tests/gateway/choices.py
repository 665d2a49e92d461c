"""Models to call in these tests, and ways to register them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.contracts import ModelChoice, Price
from apps.gateway.models import Model, Provider
from apps.gateway.services import models, providers
from parley.db import uuid7
from parley.llm import ModelTarget

# One dollar per million input tokens, ten per million output tokens.
PRICE = Price(Decimal(1), Decimal(10))


def make_choice(
    target: ModelTarget | None = None,
    *,
    price: Price | None = PRICE,
    label: str = "Test model",
    **fields: Any,
) -> ModelChoice:
    """A choice that needs no rows."""
    return ModelChoice(
        model_id=fields.pop("model_id", None) or uuid7(),
        provider_id=None,
        label=label,
        target=target or ModelTarget(backend="openai", model="fake", base_url="http://127.0.0.1:9/v1"),
        context_tokens=fields.pop("context_tokens", 8_000),
        max_output_tokens=fields.pop("max_output_tokens", 1_000),
        price=price,
        **fields,
    )


def add_provider(
    name: str = "House server", base_url: str = "http://127.0.0.1:9/v1", key: str = "sk-canary-123456"
) -> Provider:
    """An OpenAI-dialect provider with a key."""
    return providers.create_provider(name=name, kind="openai", base_url=base_url, api_key=key)


def add_model(provider: Provider, name: str = "fake", **fields: Any) -> Model:
    """A priced chat model."""
    values: dict[str, Any] = {
        "context_tokens": 8_000,
        "max_output_tokens": 1_000,
        "input_price": Decimal(1),
        "output_price": Decimal(10),
        **fields,
    }
    return models.create_model(provider_id=provider.id, name=name, **values)


def choice_by_id(model_id: UUID) -> ModelChoice:
    """The choice a registered model gives."""
    return selectors.choice_of(selectors.get_model(model_id))
