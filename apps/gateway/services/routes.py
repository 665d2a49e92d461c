"""Writes about routes: which models serve a purpose or an assistant, in which order, by which rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from apps.gateway import contracts, selectors
from apps.gateway.enums import ModelKind, ProviderKind, RoutePurpose
from apps.gateway.models import Model, Route, RouteChoice
from apps.gateway.routing.rule_reading import Unreadable, policy_json, read_policy, read_rules, rule_json
from apps.gateway.routing.rules import Rule
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound

MOST_CHOICES = 8
_LONGEST_NAME = 80

T = TypeVar("T")


def create_route(*, name: str, model_ids: Sequence[UUID]) -> Route:
    """Add a route that assistants can name, with its fallback chain. Raises `Invalid`, `Conflict`."""
    name = _clean_name(name)
    models = _get_models(model_ids)
    if complaint := _complaint(RoutePurpose.CHAT, models) or _complaint_of_empty(models):
        raise Invalid(complaint, errors={"model_ids": [complaint]})
    _require_free(name)
    route: Route = Route.objects.create(purpose=RoutePurpose.CHAT, name=name)
    _store_chain(route, models)
    audit.record(action="route.created", target=route, after=_facts(route, models))
    return route


def rename_route(*, route_id: UUID, name: str) -> Route:
    """Give a named route another name. Raises `NotFound`, `Invalid`, `Conflict`."""
    route = _lock(route_id)
    if route.is_default:
        raise Conflict("This route serves its purpose wherever no other is named, so it has no name.")
    name, before = _clean_name(name), route.name
    if name != before:
        _require_free(name)
        route.name = name
        route.save(update_fields=["name", "updated_at"])
        audit.record(action="route.renamed", target=route, before={"name": before}, after={"name": name})
    return route


def delete_route(*, route_id: UUID) -> None:
    """Remove a named route. Assistants that named it follow the organisation's route from then on.

    Raises `NotFound`, `Conflict` for a route that serves a purpose.
    """
    route = _lock(route_id)
    if route.is_default:
        raise Conflict("This route serves its purpose wherever no other is named. Change it instead.")
    audit.record(action="route.deleted", target=route, before={"name": route.name})
    route.delete()


def set_route(*, route_id: UUID, model_ids: Sequence[UUID]) -> Route:
    """Replace a route's fallback chain; the first is asked first. Counts from the next call on.

    Raises `NotFound`, `Invalid` with a sentence for `model_ids`.
    """
    route = _lock(route_id)
    models = _get_models(model_ids)
    complaint = _complaint(route.purpose, models)
    if not complaint and (not route.is_default or route.rules):
        complaint = _complaint_of_empty(models)
    if complaint:
        raise Invalid(complaint, errors={"model_ids": [complaint]})
    before = list(route.choices.values_list("model__label", flat=True))
    _store_chain(route, models)
    route.save(update_fields=["updated_at"])
    audit.record(
        action="route.changed",
        target=route,
        before={"models": before},
        after={"models": [model.label for model in models]},
    )
    return route


def set_rules(*, route_id: UUID, rules: Any) -> tuple[Rule, ...]:
    """Replace a route's rules with what `routing.rule_reading.read_rules` reads; the first that holds wins.

    Raises `NotFound`, `Invalid` with a sentence for `rules`.
    """
    route = _lock(route_id)
    read = _read("rules", read_rules, rules)
    if read and route.purpose != RoutePurpose.CHAT:
        raise _invalid("rules", "Rules choose models for answers; search and judging always use the same ones.")
    if read and not route.choices.exists():
        raise _invalid("rules", "Choose the models of the fallback chain first: rules need one to stand on.")
    _require_chat_models(read)
    before = [rule["name"] for rule in route.rules]
    route.rules = [rule_json(rule) for rule in read]
    route.save(update_fields=["rules", "updated_at"])
    audit.record(
        action="route.rules_changed",
        target=route,
        before={"rules": before},
        after={"rules": [f"{rule.name}: {rule.sentence()}" for rule in read]},
    )
    return read


def move_rule(*, route_id: UUID, rule_id: str, by: int) -> tuple[Rule, ...]:
    """Move a rule so many places down (up when negative), as far as it goes. Raises `NotFound`."""
    route = _lock(route_id)
    place = _place_of(route, rule_id)
    moved = list(route.rules)
    moved.insert(max(0, place + by), moved.pop(place))
    return set_rules(route_id=route_id, rules=moved)


def put_rule(*, route_id: UUID, rule: dict[str, Any]) -> tuple[Rule, ...]:
    """Add a rule at the end, or replace the one with its id. Raises `NotFound`, `Invalid`."""
    route = _lock(route_id)
    rules = list(route.rules)
    if rule.get("id"):
        rules[_place_of(route, rule["id"])] = rule
    else:
        rules.append(rule)
    return set_rules(route_id=route_id, rules=rules)


def remove_rule(*, route_id: UUID, rule_id: str) -> tuple[Rule, ...]:
    """Take a rule out. Raises `NotFound`."""
    route = _lock(route_id)
    rules = list(route.rules)
    del rules[_place_of(route, rule_id)]
    return set_rules(route_id=route_id, rules=rules)


def set_policy(*, route_id: UUID, policy: Any) -> contracts.RoutePolicy:
    """Replace what a route does when a model fails. Raises `NotFound`, `Invalid`."""
    route = _lock(route_id)
    read = _read("policy", read_policy, policy)
    before, route.policy = route.policy, policy_json(read)
    route.save(update_fields=["policy", "updated_at"])
    audit.record(action="route.policy_changed", target=route, before=before, after=route.policy)
    return read


def ask_first(*, purpose: RoutePurpose, model_id: UUID) -> Route:
    """Put a model at the head of a purpose's route; the others move down. Raises as `set_route`."""
    route, _ = Route.objects.get_or_create(purpose=purpose, name="")
    others = [choice.model_id for choice in route.choices.all() if choice.model_id != model_id]
    return set_route(route_id=route.id, model_ids=[model_id, *others[: MOST_CHOICES - 1]])


def _lock(route_id: UUID) -> Route:
    """Two people who change a route wait for each other, so that no rule is lost."""
    route = Route.objects.select_for_update().filter(id=route_id).first()
    if route is None:
        raise NotFound("There is no such route.")
    return route


def _store_chain(route: Route, models: Sequence[Model]) -> None:
    route.choices.all().delete()
    RouteChoice.objects.bulk_create(
        RouteChoice(route=route, model=model, position=position) for position, model in enumerate(models)
    )


def _place_of(route: Route, rule_id: str) -> int:
    for place, rule in enumerate(route.rules):
        if rule["id"] == rule_id:
            return place
    raise NotFound("There is no such rule. Somebody may have removed it.")


def _clean_name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > _LONGEST_NAME:
        raise _invalid("name", f"Give the route a name of up to {_LONGEST_NAME} characters.")
    return name


def _require_free(name: str) -> None:
    if Route.objects.filter(purpose=RoutePurpose.CHAT, name=name).exists():
        raise Conflict(f"There is a route named “{name}” already. Choose another name.")


def _require_chat_models(rules: Sequence[Rule]) -> None:
    wanted = {target.model_id for rule in rules for target in rule.targets}
    known = set(selectors.list_models(kind=ModelKind.CHAT).filter(id__in=wanted).values_list("id", flat=True))
    for rule in rules:
        if any(target.model_id not in known for target in rule.targets):
            raise _invalid("rules", f"Rule “{rule.name}” names a model that does not exist or does not answer.")


def _read(field: str, reader: Callable[[Any], T], data: Any) -> T:
    try:
        return reader(data)
    except Unreadable as error:
        raise _invalid(field, str(error)) from error


def _invalid(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})


def _facts(route: Route, models: Sequence[Model]) -> dict[str, object]:
    return {"name": route.name, "models": [model.label for model in models]}


def _complaint_of_empty(models: Sequence[Model]) -> str | None:
    return None if models else "Choose at least one model: it answers when no rule holds or the others fail."


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
