"""Gives a new tenant something that answers at once: the built-in models, at no price."""

from __future__ import annotations

from decimal import Decimal

from apps.gateway import selectors
from apps.gateway.enums import ModelKind, ProviderKind, RoutePurpose
from apps.gateway.models import Model, Provider, Route, RouteChoice
from apps.gateway.services import budgets

_LOCAL, _QUOTING = "On this machine", "Parley"


def register_local_models() -> None:
    """Register the built-in providers and models of the ambient tenant, its three routes, and its first month.

    Runs inside `tenant_tx`. Safe to repeat: what exists is left as its people set it. A few statements for all of
    it, because nobody signs up twice but everybody waits for it once.
    """
    Provider.objects.bulk_create(
        [Provider(name=_LOCAL, kind=ProviderKind.LOCAL), Provider(name=_QUOTING, kind=ProviderKind.EXTRACTIVE)],
        ignore_conflicts=True,
    )
    providers = {provider.name: provider for provider in Provider.objects.filter(name__in=(_LOCAL, _QUOTING))}
    Model.objects.bulk_create(_models(providers[_LOCAL], providers[_QUOTING]), ignore_conflicts=True)
    models = {model.name: model for model in Model.objects.filter(provider__in=providers.values())}
    chat, quotes = models[selectors.LOCAL_CHAT_MODEL], models[selectors.EXTRACTIVE_MODEL]
    _route({
        RoutePurpose.CHAT: (chat, quotes),
        RoutePurpose.EMBED: (models[selectors.LOCAL_EMBED_MODEL],),
        RoutePurpose.JUDGE: (chat,),
    })  # fmt: skip
    budgets.open_month()


def _models(local: Provider, quoting: Provider) -> list[Model]:
    return [
        _free(local, selectors.LOCAL_CHAT_MODEL, "SmolLM2 135M (local)", context_tokens=2_048, max_output_tokens=512),
        _free(
            local,
            selectors.LOCAL_EMBED_MODEL,
            "MiniLM L6 (local)",
            kind=ModelKind.EMBED,
            context_tokens=512,
            max_output_tokens=0,
        ),
        _free(
            quoting,
            selectors.EXTRACTIVE_MODEL,
            "Quotes from the sources",
            context_tokens=1_000_000,
            max_output_tokens=4_096,
        ),
    ]


def _free(
    provider: Provider,
    name: str,
    label: str,
    *,
    kind: ModelKind = ModelKind.CHAT,
    context_tokens: int,
    max_output_tokens: int,
) -> Model:
    return Model(
        provider=provider,
        name=name,
        kind=kind,
        label=label,
        context_tokens=context_tokens,
        max_output_tokens=max_output_tokens,
        input_price=Decimal(0),
        output_price=Decimal(0),
    )


def _route(choices: dict[RoutePurpose, tuple[Model, ...]]) -> None:
    """Routes for these purposes, where there are none yet."""
    wanted = {purpose: Route(purpose=purpose, name="") for purpose in choices}
    Route.objects.bulk_create(wanted.values(), ignore_conflicts=True)
    made = Route.objects.filter(id__in=[route.id for route in wanted.values()])
    RouteChoice.objects.bulk_create(
        RouteChoice(route=route, model=model, position=position)
        for route in made
        for position, model in enumerate(choices[RoutePurpose(route.purpose)])
    )
