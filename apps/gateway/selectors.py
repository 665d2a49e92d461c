"""Reads: which model a call may go to, and what has been spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import BooleanField, Case, Count, F, Q, QuerySet, Sum, When
from django.db.models.functions import Now, TruncDate
from django.utils import timezone

from apps.gateway import contracts, periods, prices
from apps.gateway.enums import ModelKind, PriceOrigin, ProviderKind, RoutePurpose
from apps.gateway.models import Budget, Hold, Model, Provider, Route, RouteChoice, UsageEntry
from apps.gateway.routing.chain import order_choices
from apps.tenants import selectors as tenants
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
    """Routes of the ambient tenant with their models in order."""
    return Route.objects.prefetch_related("choices__model__provider").order_by("purpose")


def get_route(route_id: UUID) -> Route:
    """A route of the ambient tenant. Raises `NotFound`."""
    route = Route.objects.filter(id=route_id).first()
    if route is None:
        raise NotFound("There is no such route.")
    return route


def resolve_route(*, purpose: contracts.RoutePurpose, model_id: UUID | None = None) -> contracts.ResolvedRoute:
    """The models that a call for `purpose` tries, in order: the pinned one, the route, the last resort.

    A pinned model that was removed or switched off is passed over: an assistant must not fall silent for it.
    Needs `tenant_tx`; decrypts the keys, so keep the result out of logs and caches. A change made by another
    process counts a second later, one made here at once.
    Raises `Invalid` when no model is left.
    """
    rows = recent.remembered((require_tenant_id(), purpose, model_id), lambda: _find_rows(purpose, model_id))
    choices = order_choices(
        _usable(rows.routed, purpose),
        pinned=next(iter(_usable([rows.pinned] if rows.pinned else [], purpose)), None),
        last_resort=_last_resort(rows.extractive) if purpose == "chat" else None,
    )
    if not choices:
        label = RoutePurpose(purpose).label.lower()
        raise Invalid(f"No model is set for {label}. Choose one under Models, under Routes.")
    return contracts.ResolvedRoute(purpose=purpose, choices=choices)


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


def choice_of(model: Model) -> contracts.ModelChoice:
    """A model as the rest of the house sees it, with the decrypted key of its provider."""
    price, _ = effective_price(model)
    return contracts.ModelChoice(
        model_id=model.id,
        provider_id=model.provider_id,
        label=model.label,
        target=_target(model),
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens,
        price=price,
        reads_slowly=model.provider.kind == ProviderKind.LOCAL,
    )


@dataclass(frozen=True, slots=True)
class _RouteRows:
    """What a route is made from, with secrets as they are stored."""

    routed: list[Model]
    pinned: Model | None
    extractive: Model | None


recent: Recent[_RouteRows] = Recent(seconds=1)


def _find_rows(purpose: contracts.RoutePurpose, model_id: UUID | None) -> _RouteRows:
    rows = RouteChoice.objects.filter(route__purpose=purpose).select_related("model__provider").order_by("position")
    routed = [row.model for row in rows]
    pinned = _find_pinned(model_id, routed, purpose)
    extractive = _find_extractive([*routed, *([pinned] if pinned else [])]) if purpose == "chat" else None
    return _RouteRows(routed, pinned, extractive)


def _find_pinned(model_id: UUID | None, routed: list[Model], purpose: contracts.RoutePurpose) -> Model | None:
    if model_id is None or model_id == contracts.EXTRACTIVE_MODEL_ID:
        return None
    known = next((model for model in routed if model.id == model_id), None)
    return known or Model.objects.select_related("provider").filter(id=model_id, kind=_KIND_FOR[purpose]).first()


def _usable(models: Iterable[Model], purpose: str) -> list[contracts.ModelChoice]:
    return [
        choice_of(model)
        for model in models
        if model.is_enabled
        and model.provider.is_enabled
        and is_running(model)
        and not (purpose == "judge" and model.provider.kind == ProviderKind.EXTRACTIVE)
    ]


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


def _target(model: Model) -> ModelTarget:
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
    key = provider.api_key.reveal() if provider.api_key is not None else None
    return ModelTarget(
        backend="openai" if backend == "openai" else "litellm",
        model=name,
        base_url=provider.base_url or None,
        api_key=key,
    )


# -- budgets and usage ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BudgetClock:
    """What decides the running month: the database's clock, the tenant's time zone, the newest counters."""

    now: datetime
    time_zone: str
    newest: Budget | None


def budget_clock() -> BudgetClock:
    """One query when the tenant has counters already, two on its very first call."""
    newest = Budget.objects.select_related("tenant").annotate(database_now=Now()).order_by("-period_start").first()
    if newest is None:
        zone = tenants.get_tenant(require_tenant_id()).time_zone
        return BudgetClock(timezone.now(), zone, None)
    now: datetime = newest.database_now
    return BudgetClock(now, newest.tenant.time_zone, newest)


def budget_status() -> contracts.BudgetStatus:
    """The running month as people see it. Reads only: a month nobody has spent in shows zeros."""
    clock = budget_clock()
    newest = clock.newest
    period = periods.period_at(clock.now, clock.time_zone)
    is_current = newest is not None and newest.period_start >= period.starts_on
    if newest is not None and is_current:
        period = periods.period_of(newest.period_start, clock.time_zone)
    return contracts.BudgetStatus(
        budget_id=newest.id if newest is not None and is_current else None,
        scope="tenant",
        period_start=period.starts_at,
        resets_at=period.ends_at,
        timezone=clock.time_zone,
        limit=newest.limit if newest is not None else None,
        spent=newest.spent if newest is not None and is_current else Decimal(0),
        held=newest.held if newest is not None and is_current else Decimal(0),
    )


def list_budgets() -> QuerySet[Budget]:
    """Each month's counters, the newest first."""
    return Budget.objects.select_related("tenant").order_by("-period_start")


def get_budget(budget_id: UUID) -> Budget:
    """One month's counters. Raises `NotFound`."""
    budget = Budget.objects.select_related("tenant").filter(id=budget_id).first()
    if budget is None:
        raise NotFound("There is no such budget.")
    return budget


def list_usage(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    purpose: str | None = None,
    model_id: UUID | None = None,
) -> QuerySet[UsageEntry]:
    """Ledger lines; `since` is inclusive, `until` exclusive. Unordered: the caller orders or aggregates."""
    entries = UsageEntry.objects.all()
    if since is not None:
        entries = entries.filter(created_at__gte=since)
    if until is not None:
        entries = entries.filter(created_at__lt=until)
    if purpose is not None:
        entries = entries.filter(purpose=purpose)
    if model_id is not None:
        entries = entries.filter(model_id=model_id)
    return entries


def summarise_usage(entries: QuerySet[UsageEntry], *, time_zone: str) -> list[contracts.UsageLine]:
    """Spending by local day, model and purpose, the newest day first, then the dearest line."""
    rows = (
        entries.annotate(day=TruncDate("created_at", tzinfo=periods.zone_of(time_zone)))
        .values("day", "model_label", "purpose")
        .annotate(
            calls=Count("call_id", distinct=True),
            tokens_in=Sum("input_tokens"),
            tokens_out=Sum("output_tokens"),
            total=Sum("cost"),
        )
        .order_by("-day", F("total").desc(), "model_label")
    )
    return [
        contracts.UsageLine(
            day=row["day"],
            model=row["model_label"],
            purpose=row["purpose"],
            calls=row["calls"],
            input_tokens=row["tokens_in"],
            output_tokens=row["tokens_out"],
            cost=row["total"],
        )
        for row in rows
    ]


def cost_of_call(call_id: UUID) -> Decimal | None:
    """US dollars that a call was charged, corrections included; None while it is not settled."""
    total: Decimal | None = UsageEntry.objects.filter(call_id=call_id).aggregate(total=Sum("cost"))["total"]
    return total


def spent_in(budget_id: UUID) -> Decimal:
    """The ledger's own sum for one month's counters: what `spent` must equal (B-03)."""
    total: Decimal | None = UsageEntry.objects.filter(budget_id=budget_id).aggregate(total=Sum("cost"))["total"]
    return total or Decimal(0)


# -- holds ----------------------------------------------------------------------


def hold_contract(hold: Hold) -> contracts.Hold:
    """A hold as the rest of the house sees it."""
    return contracts.Hold(
        id=hold.id,
        call_id=hold.call_id,
        model_id=hold.model_id,
        amount=hold.amount,
        max_output_tokens=hold.max_output_tokens,
        expires_at=hold.expires_at,
    )


def find_hold(call_id: UUID) -> contracts.Hold | None:
    """The open hold of a call that was accepted earlier; None when it is closed or unknown."""
    hold = Hold.objects.filter(call_id=call_id, state="held").first()
    return hold_contract(hold) if hold is not None else None
