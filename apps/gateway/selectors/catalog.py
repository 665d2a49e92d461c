"""Reads: which model a call may go to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import BooleanField, Case, Count, Q, QuerySet, When
from django.utils import timezone

from apps.gateway import contracts, periods, prices
from apps.gateway.enums import ModelKind, PriceOrigin, ProviderKind, RoutePurpose
from apps.gateway.models import Model, Provider, ProviderKey, Route, RouteChoice
from apps.gateway.routing.chain import order_choices
from apps.gateway.routing.decide import Decision, decide
from apps.gateway.routing.difficulty import difficulty
from apps.gateway.routing.facts import RequestFacts
from apps.gateway.routing.language import language_of
from apps.gateway.routing.likeness import likeness
from apps.gateway.routing.rule_reading import read_policy, read_rules
from apps.gateway.routing.rules import BudgetLeft, Instruments, Language, Rule, Time
from apps.gateway.selectors.money import BudgetClock, budget_clock
from parley.db import uuid7
from parley.db.recent import Recent
from parley.errors import Invalid, NotFound
from parley.llm import ModelTarget
from parley.tenancy import require_tenant_id

# The bundled models; `services.setup` registers them for each tenant.
LOCAL_CHAT_MODEL = "smollm2-135m-instruct"
LOCAL_EMBED_MODEL = "all-MiniLM-L6-v2"
EXTRACTIVE_MODEL = "extractive"

_KIND_FOR: dict[contracts.RoutePurpose, ModelKind] = {
    "chat": ModelKind.CHAT,
    "judge": ModelKind.CHAT,
    "embed": ModelKind.EMBED,
}

_INSTRUMENTS = Instruments(similarity=likeness, difficulty=difficulty)

# -- providers and models -------------------------------------------------------


def list_providers() -> QuerySet[Provider]:
    """Providers of the ambient tenant, its own first, then by name."""
    return Provider.objects.annotate(model_count=Count("models"), is_own=_is_own("kind")).order_by("-is_own", "name")


def _is_own(field: str) -> Case:
    built_in = Q(**{f"{field}__in": [ProviderKind.LOCAL, ProviderKind.EXTRACTIVE]})
    return Case(When(built_in, then=False), default=True, output_field=BooleanField())


def get_provider(provider_id: UUID) -> Provider:
    """A provider of the ambient tenant. Raises `NotFound`."""
    provider = Provider.objects.filter(id=provider_id).first()
    if provider is None:
        raise NotFound("There is no such provider.")
    return provider


def list_models(*, kind: str | None = None, is_enabled: bool | None = None) -> QuerySet[Model]:
    """Models of the ambient tenant with their providers, those of its own providers first."""
    models = Model.objects.select_related("provider").alias(is_own=_is_own("provider__kind"))
    models = models.order_by("-is_own", "provider__name", "label")
    if kind is not None:
        models = models.filter(kind=kind)
    if is_enabled is not None:
        models = models.filter(is_enabled=is_enabled, provider__is_enabled=is_enabled)
    return models


def get_model(model_id: UUID) -> Model:
    """A model of the ambient tenant. Raises `NotFound`."""
    model = Model.objects.select_related("provider").filter(id=model_id).first()
    if model is None:
        raise NotFound("There is no such model.")
    return model


def find_chat_model(model_id: UUID) -> Model | None:
    """A chat model of the ambient tenant, switched on or not, or None."""
    return Model.objects.select_related("provider").filter(id=model_id, kind=ModelKind.CHAT).first()


def list_chat_choices() -> list[tuple[UUID, str]]:
    """Id and label of each chat model that an assistant can be pinned to, by label."""
    return list_choices(ModelKind.CHAT)


def list_choices(kind: ModelKind) -> list[tuple[UUID, str]]:
    """Id and label of each model of a kind that may be called, by label."""
    rows = list_models(kind=kind, is_enabled=True).order_by("label")
    return [(row.id, f"{row.label} · {row.provider.name}") for row in rows]


def effective_price(model: Model) -> tuple[contracts.Price | None, PriceOrigin]:
    """The price a call would be reserved at, and where it comes from."""
    provider = model.provider
    return prices.price_of(
        kind=provider.kind,
        litellm_provider=provider.litellm_provider,
        base_url=provider.base_url,
        model_name=model.name,
        own=model.own_price,
    )


def is_running(model: Model) -> bool:
    """False for a built-in chat model that this installation has not started."""
    is_local_chat = model.provider.kind == ProviderKind.LOCAL and model.kind == ModelKind.CHAT
    return bool(settings.PARLEY_LOCAL_MODEL_URL) if is_local_chat else True


# -- routes -------------------------------------------------------------------


def list_routes() -> QuerySet[Route]:
    """Routes of the ambient tenant with their models in order; those without a name first."""
    return Route.objects.prefetch_related("choices__model__provider").order_by("purpose", "name")


def list_route_choices() -> list[tuple[UUID, str]]:
    """Id and name of each route that an assistant can name, by name."""
    named = Route.objects.filter(purpose=RoutePurpose.CHAT).exclude(name="")
    return list(named.order_by("name").values_list("id", "name"))


def get_route(route_id: UUID) -> Route:
    """A route of the ambient tenant. Raises `NotFound`."""
    route = Route.objects.filter(id=route_id).first()
    if route is None:
        raise NotFound("There is no such route.")
    return route


def resolve_route(
    *,
    purpose: contracts.RoutePurpose,
    model_id: UUID | None = None,
    route_id: UUID | None = None,
    asked: contracts.Asked | None = None,
) -> contracts.ResolvedRoute:
    """The models that a call for `purpose` tries, in order: the pinned one, else the one that the route's rules
    choose for what was `asked`; then the route's own chain, then the last resort.

    A pinned model that was removed or switched off is passed over, and so is a route that was removed: an assistant
    must not fall silent for it. Needs `tenant_tx`; decrypts the keys, so keep the result out of logs and caches.
    A change made by another process counts a second later, one made here at once.
    Raises `Invalid` when no model is left.
    """
    rows = recent.remembered(
        (require_tenant_id(), purpose, model_id, route_id), lambda: _find_rows(purpose, model_id, route_id)
    )
    pinned = next(iter(_usable([rows.pinned] if rows.pinned else [], purpose, rows.further_keys)), None)
    decision = None
    if pinned is None and rows.rules and asked is not None:
        ruled = {choice.model_id: choice for choice in _usable(rows.ruled, purpose, rows.further_keys)}
        decision = decide_route(rows.rules, asked, usable=ruled.keys(), salt=str(rows.route_id))
        pinned = ruled.get(decision.model_id) if decision.model_id else None
    choices = order_choices(
        _usable(rows.routed, purpose, rows.further_keys),
        pinned=pinned,
        last_resort=_last_resort(rows.extractive) if purpose == "chat" else None,
    )
    if not choices:
        label = RoutePurpose(purpose).label.lower()
        raise Invalid(f"No model is set for {label}. Choose one under Models, under Routes.")
    return contracts.ResolvedRoute(
        purpose=purpose,
        choices=choices,
        route_id=rows.route_id,
        name=rows.name,
        policy=rows.policy,
        reason=decision.reason if decision is not None else "",
    )


def decide_route(
    rules: Sequence[Rule], asked: contracts.Asked, *, usable: Collection[UUID], salt: str, at: datetime | None = None
) -> Decision:
    """Which rule wins for a message. Reads the clock and the budget only when a rule asks for them.

    `at` is an instant to decide for; now when left out.
    """
    kinds = {type(condition) for rule in rules if rule.is_enabled for condition in rule.conditions}
    clock = budget_clock() if kinds & {Time, BudgetLeft} else None
    now = at or (clock.now if clock else timezone.now())
    facts = RequestFacts(
        message=asked.text,
        key=str(asked.conversation_id or uuid7()),
        at=now.astimezone(periods.zone_of(clock.time_zone)) if clock else now,
        language=language_of(asked.text) if Language in kinds else None,
        has_attachment=asked.has_attachment,
        needs_tools=asked.needs_tools,
        budget_left=_percent_left(clock) if clock and BudgetLeft in kinds else None,
    )
    return decide(rules, facts, instruments=_INSTRUMENTS, usable=usable, salt=salt)


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a route would do with a message: the decision, and the models in the order they would be asked."""

    decision: Decision
    models: list[Model]


def dry_run(route: Route, asked: contracts.Asked, *, at: datetime | None = None) -> DryRun:
    """Decide without asking anybody. `at` is an instant to decide for; now when left out."""
    rules = read_rules(route.rules)
    chain = [choice.model for choice in route.choices.select_related("model__provider")]
    named = {target.model_id for rule in rules for target in rule.targets}
    decision = decide_route(rules, asked, usable=usable_models(named), salt=str(route.id), at=at)
    first = [get_model(decision.model_id)] if decision.model_id else []
    rest = [model for model in chain if model.id != decision.model_id and _may_be_called(model, route.purpose)]
    return DryRun(decision, [*first, *rest])


def usable_models(model_ids: Collection[UUID]) -> set[UUID]:
    """Those of the chat models that may be called now."""
    rows = Model.objects.select_related("provider").filter(id__in=model_ids, kind=ModelKind.CHAT)
    return {row.id for row in rows if _may_be_called(row, "chat")}


def _percent_left(clock: BudgetClock) -> int | None:
    newest = clock.newest
    if newest is None or not newest.limit:
        return None if newest is None or newest.limit is None else 0
    if newest.period_start < periods.period_at(clock.now, clock.time_zone).starts_on:
        return 100
    left = max(Decimal(0), newest.limit - newest.spent - newest.held)
    return int(100 * left / newest.limit)


def get_embedder(model_id: UUID) -> contracts.ModelChoice:
    """An embedding model by id. There is no other in its place: vectors of two models cannot be compared.

    Raises `Invalid` when it was removed or switched off. Needs `tenant_tx`; keep the result out of logs.
    """
    rows = recent.remembered((require_tenant_id(), "embed", model_id), lambda: _find_rows("embed", model_id))
    choices = _usable([rows.pinned] if rows.pinned else [], "embed")
    if not choices:
        raise Invalid(
            "The embedding model of this knowledge base was removed or switched off. Switch it on, or choose another."
        )
    return choices[0]


def get_reranker(model_id: UUID) -> contracts.ModelChoice:
    """A rerank model by id. Raises `Invalid` when it was removed or switched off. Needs `tenant_tx`."""
    found = Model.objects.select_related("provider").filter(id=model_id, kind=ModelKind.RERANK)
    choices = _usable(found, "rerank")
    if not choices:
        raise Invalid("The rerank model was removed or switched off. Switch it on, or choose another.")
    return choices[0]


def choice_of(model: Model, further_keys: Sequence[ProviderKey] = ()) -> contracts.ModelChoice:
    """A model as the rest of the house sees it, with the decrypted keys of its provider."""
    price, _ = effective_price(model)
    keys = _keys_of(model.provider, further_keys)
    return contracts.ModelChoice(
        model_id=model.id,
        provider_id=model.provider_id,
        label=model.label,
        target=_target(model, keys),
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        price=price,
        reads_slowly=model.provider.kind == ProviderKind.LOCAL,
        keys=keys,
    )


@dataclass(frozen=True, slots=True)
class _RouteRows:
    """What a route is made from, with secrets as they are stored. `ruled` are the models that its rules name."""

    routed: list[Model]
    pinned: Model | None
    extractive: Model | None
    ruled: list[Model] = field(default_factory=list)
    rules: tuple[Rule, ...] = ()
    policy: contracts.RoutePolicy = field(default_factory=contracts.RoutePolicy)
    route_id: UUID | None = None
    name: str = ""
    further_keys: dict[UUID, list[ProviderKey]] = field(default_factory=dict)


recent: Recent[_RouteRows] = Recent(seconds=1)


def _find_rows(purpose: contracts.RoutePurpose, model_id: UUID | None, route_id: UUID | None = None) -> _RouteRows:
    rows = _find_choices(purpose, route_id)
    if not rows and route_id is not None:
        rows = _find_choices(purpose, None)
    routed = [row.model for row in rows]
    pinned = _find_pinned(model_id, routed, purpose)
    extractive = _find_extractive([*routed, *([pinned] if pinned else [])]) if purpose == "chat" else None
    known = [*routed, *([pinned] if pinned else [])]
    if not rows:
        return _RouteRows(routed, pinned, extractive, further_keys=_find_further_keys(known))
    route = rows[0].route
    rules = read_rules(route.rules)
    ruled = _find_ruled(rules, routed) if pinned is None else []
    return _RouteRows(
        routed,
        pinned,
        extractive,
        ruled=ruled,
        further_keys=_find_further_keys([*known, *ruled]),
        rules=rules,
        policy=read_policy(route.policy),
        route_id=route.id,
        name=route.name,
    )


def _find_choices(purpose: contracts.RoutePurpose, route_id: UUID | None) -> list[RouteChoice]:
    which: dict[str, Any] = {"route__name": ""} if route_id is None else {"route_id": route_id}
    found = RouteChoice.objects.filter(route__purpose=purpose, **which)
    return list(found.select_related("model__provider", "route").order_by("position"))


def _find_further_keys(models: Iterable[Model]) -> dict[UUID, list[ProviderKey]]:
    """Keys by provider; a query only when one of the providers has several."""
    several = {model.provider_id for model in models if model.provider.further_key_count}
    found: dict[UUID, list[ProviderKey]] = {}
    if several:
        for key in ProviderKey.objects.filter(provider_id__in=several).order_by("created_at"):
            found.setdefault(key.provider_id, []).append(key)
    return found


def _find_ruled(rules: Iterable[Rule], routed: list[Model]) -> list[Model]:
    """The models that rules name; a query only for those that are not in the chain."""
    wanted = {target.model_id for rule in rules for target in rule.targets}
    known = [model for model in routed if model.id in wanted]
    missing = wanted - {model.id for model in known}
    if missing:
        known += Model.objects.select_related("provider").filter(id__in=missing, kind=ModelKind.CHAT)
    return known


def _find_pinned(model_id: UUID | None, routed: list[Model], purpose: contracts.RoutePurpose) -> Model | None:
    if model_id is None or model_id == contracts.EXTRACTIVE_MODEL_ID:
        return None
    known = next((model for model in routed if model.id == model_id), None)
    return known or Model.objects.select_related("provider").filter(id=model_id, kind=_KIND_FOR[purpose]).first()


def _usable(
    models: Iterable[Model], purpose: str, keys: Mapping[UUID, list[ProviderKey]] | None = None
) -> list[contracts.ModelChoice]:
    further = keys or {}
    return [choice_of(model, further.get(model.provider_id, ())) for model in models if _may_be_called(model, purpose)]


def _may_be_called(model: Model, purpose: str) -> bool:
    return (
        model.is_enabled
        and model.provider.is_enabled
        and is_running(model)
        and not (purpose == "judge" and model.provider.kind == ProviderKind.EXTRACTIVE)
    )


def _find_extractive(known: list[Model]) -> Model | None:
    row = next((model for model in known if model.provider.kind == ProviderKind.EXTRACTIVE), None)
    return row or Model.objects.select_related("provider").filter(provider__kind=ProviderKind.EXTRACTIVE).first()


def _last_resort(row: Model | None) -> contracts.ModelChoice:
    if row is not None:
        return choice_of(row)
    return contracts.ModelChoice(
        model_id=contracts.EXTRACTIVE_MODEL_ID,
        provider_id=None,
        label="Quotes from the sources",
        target=ModelTarget(backend="extractive", model=EXTRACTIVE_MODEL),
        context_tokens=1_000_000,
        max_output_tokens=4_096,
        price=contracts.FREE,
    )


def _keys_of(provider: Provider, further: Sequence[ProviderKey]) -> tuple[contracts.ApiKey, ...]:
    """The keys that the provider has not turned away; all of them when it has turned away every one."""
    rows = [(provider.id, provider.api_key, provider.api_key_refused_at)]
    rows += [(key.id, key.api_key, key.refused_at) for key in further if key.is_enabled]
    given = [(key_id, sealed, refused_at) for key_id, sealed, refused_at in rows if sealed is not None]
    accepted = [row for row in given if row[2] is None] or given
    return tuple(contracts.ApiKey(key_id, sealed.reveal()) for key_id, sealed, _ in accepted)


def _target(model: Model, keys: Sequence[contracts.ApiKey]) -> ModelTarget:
    provider = model.provider
    match provider.kind:
        case ProviderKind.EXTRACTIVE:
            return ModelTarget(backend="extractive", model=model.name)
        case ProviderKind.LOCAL:
            # The address is this start's own and changes with it, so no row holds it.
            return ModelTarget(backend="openai", model=model.name, base_url=settings.PARLEY_LOCAL_MODEL_URL or None)
        case ProviderKind.OPENAI:
            backend, name = "openai", model.name
        case _:
            backend, name = "litellm", f"{provider.litellm_provider}/{model.name}"
    return ModelTarget(
        backend="openai" if backend == "openai" else "litellm",
        model=name,
        base_url=provider.base_url or None,
        api_key=keys[0].secret if keys else None,
    )
