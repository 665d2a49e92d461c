"""Gives a new tenant something that answers at once: the built-in models, at no price."""

from __future__ import annotations

from decimal import Decimal

from apps.gateway import selectors
from apps.gateway.enums import ModelKind, ProviderKind, RoutePurpose
from apps.gateway.models import Model, Provider, Route, RouteChoice
from apps.gateway.services import budgets


def register_local_models() -> None:
    """Register the built-in providers and models of the ambient tenant, its three routes, and its first month.

    Runs inside `tenant_tx`. Safe to repeat: what exists is left as its people set it.
    """
    local, _ = Provider.objects.get_or_create(name="On this machine", defaults={"kind": ProviderKind.LOCAL})
    quoting, _ = Provider.objects.get_or_create(name="Parley", defaults={"kind": ProviderKind.EXTRACTIVE})
    chat = _register(
        local, selectors.LOCAL_CHAT_MODEL, "SmolLM2 135M (local)", context_tokens=2_048, max_output_tokens=512
    )
    embedder = _register(
        local,
        selectors.LOCAL_EMBED_MODEL,
        "MiniLM L6 (local)",
        kind=ModelKind.EMBED,
        context_tokens=512,
        max_output_tokens=0,
    )
    extractive = _register(
        quoting,
        selectors.EXTRACTIVE_MODEL,
        "Quotes from the sources",
        context_tokens=1_000_000,
        max_output_tokens=4_096,
    )
    _route(RoutePurpose.CHAT, chat, extractive)
    _route(RoutePurpose.EMBED, embedder)
    _route(RoutePurpose.JUDGE, chat)
    budgets.open_month()


def _register(
    provider: Provider,
    name: str,
    label: str,
    *,
    kind: ModelKind = ModelKind.CHAT,
    context_tokens: int,
    max_output_tokens: int,
) -> Model:
    model, _ = Model.objects.get_or_create(
        provider=provider,
        name=name,
        kind=kind,
        defaults={
            "label": label,
            "context_tokens": context_tokens,
            "max_output_tokens": max_output_tokens,
            "input_price": Decimal(0),
            "output_price": Decimal(0),
        },
    )
    return model


def _route(purpose: RoutePurpose, *models: Model) -> None:
    route, is_new = Route.objects.get_or_create(purpose=purpose, name="")
    if is_new:
        RouteChoice.objects.bulk_create(
            RouteChoice(route=route, model=model, position=position) for position, model in enumerate(models)
        )
