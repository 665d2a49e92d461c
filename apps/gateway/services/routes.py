"""Writes about routes: which models serve a purpose, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.enums import ModelKind, ProviderKind, RoutePurpose
from apps.gateway.models import Model, Route, RouteChoice
from apps.tenants.services import audit
from parley.errors import Invalid

MOST_CHOICES = 8


def set_route(*, route_id: UUID, model_ids: Sequence[UUID]) -> Route:
    """Replace a route's models; the first is asked first. Counts from the next call on.

    Raises `NotFound`, `Invalid` with a sentence for `model_ids`.
    """
    route = selectors.get_route(route_id)
    models = _get_models(model_ids)
    if complaint := _complaint(route.purpose, models):
        raise Invalid(complaint, errors={"model_ids": [complaint]})
    before = list(route.choices.values_list("model__label", flat=True))
    route.choices.all().delete()
    RouteChoice.objects.bulk_create(
        RouteChoice(route=route, model=model, position=position) for position, model in enumerate(models)
    )
    route.save(update_fields=["updated_at"])
    audit.record(
        action="route.changed",
        target=route,
        before={"models": before},
        after={"models": [model.label for model in models]},
    )
    return route


def ask_first(*, purpose: RoutePurpose, model_id: UUID) -> Route:
    """Put a model at the head of a purpose's route; the others move down. Raises as `set_route`."""
    route, _ = Route.objects.get_or_create(purpose=purpose)
    others = [choice.model_id for choice in route.choices.all() if choice.model_id != model_id]
    return set_route(route_id=route.id, model_ids=[model_id, *others[: MOST_CHOICES - 1]])


def _get_models(model_ids: Sequence[UUID]) -> list[Model]:
    by_id = {model.id: model for model in selectors.list_models().filter(id__in=model_ids)}
    missing = next((model_id for model_id in model_ids if model_id not in by_id), None)
    if missing is not None:
        sentence = f"There is no model {missing}."
        raise Invalid(sentence, errors={"model_ids": [sentence]})
    return [by_id[model_id] for model_id in model_ids]


def _complaint(purpose: str, models: Sequence[Model]) -> str | None:
    if len({model.id for model in models}) != len(models):
        return "A route can hold each model only once."
    if len(models) > MOST_CHOICES:
        return f"A route can hold at most {MOST_CHOICES} models."
    if purpose == RoutePurpose.EMBED:
        if len(models) != 1 or models[0].kind != ModelKind.EMBED:
            return "Search needs exactly one embedding model: vectors of two models cannot be compared."
        return None
    if any(model.kind != ModelKind.CHAT for model in models):
        return "Only chat models can answer or judge."
    if purpose == RoutePurpose.JUDGE and any(model.provider.kind == ProviderKind.EXTRACTIVE for model in models):
        return "The model that quotes the sources cannot judge. Choose a chat model."
    return None
