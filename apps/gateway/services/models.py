"""Writes about models: which ones there are, how much they read, and what they cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.enums import ModelKind
from apps.gateway.models import Model, Provider
from apps.gateway.routing.catalog import price_list_name
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid
from parley.llm import known_context

_LARGEST_WINDOW = 20_000_000
# Dollars per million tokens; ten times the dearest model there has been.
_LARGEST_PRICE = Decimal(10_000)

# For servers that no list knows: what nearly every model can do.
_MODEST_CONTEXT, _MODEST_ANSWER = 8_192, 2_048

_PRICES = ("input_price", "output_price", "cached_input_price")
_CHANGEABLE = frozenset({"name", "label", "context_tokens", "max_output_tokens", "is_enabled", *_PRICES})


def create_model(
    *,
    provider_id: UUID,
    name: str,
    kind: str = ModelKind.CHAT,
    label: str = "",
    context_tokens: int | None = None,
    max_output_tokens: int | None = None,
    input_price: Decimal | None = None,
    output_price: Decimal | None = None,
    cached_input_price: Decimal | None = None,
) -> Model:
    """Add a model to a provider. Sizes and prices that are left out come from LiteLLM's list.

    Only chat models write: the others have no longest answer, and their output costs nothing.

    Raises `NotFound`, `Invalid`, `Conflict`.
    """
    provider = selectors.get_provider(provider_id)
    if provider.is_built_in:
        raise Conflict("The built-in models are fixed. Add a provider of your own, then a model to it.")
    if kind not in ModelKind.values:
        sentence = "A model answers, embeds or reranks."
        raise Invalid(sentence, errors={"kind": [sentence]})
    context, longest = _sizes(provider, name.strip(), context_tokens, max_output_tokens)
    model = Model(
        provider=provider,
        name=name.strip(),
        label=label.strip() or name.strip(),
        kind=kind,
        context_tokens=context,
        max_output_tokens=longest,
        input_price=input_price,
        output_price=output_price,
        cached_input_price=cached_input_price,
    )
    _forget_output(model)
    _require_valid(model)
    model.save(force_insert=True)
    audit.record(action="model.created", target=model, after=_facts(model))
    return model


def update_model(*, model_id: UUID, changes: dict[str, Any]) -> Model:
    """Change the given fields; a price of None returns to the price list. Calls under way keep their price.

    Raises `NotFound`, `Invalid`, `Conflict` for a built-in model.
    """
    model = selectors.get_model(model_id)
    _require_own(model)
    before = _facts(model)
    for field in _CHANGEABLE & changes.keys():
        value = changes[field]
        setattr(model, field, value.strip() if isinstance(value, str) else value)
    _forget_output(model)
    _require_valid(model)
    model.save()
    audit.record(action="model.changed", target=model, before=before, after=_facts(model))
    return model


def delete_model(*, model_id: UUID) -> None:
    """Remove a model from its provider and from every route. The ledger keeps what it cost.

    Raises `NotFound`, `Conflict` for a built-in model.
    """
    model = selectors.get_model(model_id)
    _require_own(model)
    audit.record(action="model.deleted", target=model, before=_facts(model))
    model.delete()


def _sizes(provider: Provider, name: str, context: int | None, longest: int | None) -> tuple[int, int]:
    """Context and longest answer: as given, as listed, or modest enough for any server."""
    listed_under = price_list_name(
        kind=provider.kind, litellm_provider=provider.litellm_provider, base_url=provider.base_url
    )
    known = known_context(model=name, provider=listed_under) if listed_under is not None else None
    if context is None:
        context = known.context_tokens if known is not None else _MODEST_CONTEXT
    if longest is None:
        longest = (known.max_output_tokens if known is not None else None) or _MODEST_ANSWER
    return context, min(longest, context)


def _forget_output(model: Model) -> None:
    """What does not write has no longest answer, and one price: its output is counted as free."""
    if model.kind != ModelKind.CHAT:
        model.max_output_tokens = 0
        model.output_price = None if model.input_price is None else Decimal(0)


def _require_own(model: Model) -> None:
    if model.provider.is_built_in:
        raise Conflict("This model is part of Parley and cannot be changed. Routes decide whether it is used.")


def _require_valid(model: Model) -> None:
    errors: dict[str, list[str]] = {}
    if not model.name or len(model.name) > 200:
        errors["name"] = ["Enter the model's name as its provider writes it, for example gpt-4o-mini."]
    if not model.label or len(model.label) > 120:
        errors["label"] = ["Give the model a name of up to 120 characters."]
    if not 256 <= model.context_tokens <= _LARGEST_WINDOW:
        errors["context_tokens"] = ["The context must be between 256 and 20,000,000 tokens."]
    if model.kind == ModelKind.CHAT and not 16 <= model.max_output_tokens <= model.context_tokens:
        errors["max_output_tokens"] = ["The longest answer must be between 16 tokens and the context."]
    for field in _PRICES:
        price = getattr(model, field)
        if price is not None and not (price.is_finite() and 0 <= price <= _LARGEST_PRICE):
            errors[field] = ["A price must be an amount in US dollars per million tokens, from 0 to 10,000."]
    if (model.input_price is None) != (model.output_price is None):
        missing = "input_price" if model.input_price is None else "output_price"
        errors.setdefault(missing, ["Enter both prices, or neither to use the price list."])
    if errors:
        raise Invalid("The model was not saved.", errors=errors)
    taken = Model.objects.filter(provider=model.provider, name=model.name, kind=model.kind).exclude(id=model.id)
    if taken.exists():
        raise Conflict(f"This provider has a model “{model.name}” already.")


def _facts(model: Model) -> dict[str, object]:
    facts: dict[str, object] = {
        "name": model.name,
        "label": model.label,
        "kind": model.kind,
        "context_tokens": model.context_tokens,
        "max_output_tokens": model.max_output_tokens,
        "is_enabled": model.is_enabled,
    }
    for field in _PRICES:
        price: Decimal | None = getattr(model, field)
        facts[field] = None if price is None else str(price)
    return facts
