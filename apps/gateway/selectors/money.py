"""Reads: what may be spent, what has been spent, and what is reserved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Case, F, Q, QuerySet, Sum, TextField, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from apps.gateway import contracts, hierarchy, periods
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.models import AlertSettings, Budget, BudgetAlert, Hold, RateLimit, SpendingLimit, UsageEntry
from apps.tenants import selectors as tenants
from parley.errors import NotFound
from parley.tenancy import require_tenant_id

# -- budgets --------------------------------------------------------------------

_LIMITS = (
    "SELECT json_build_object('limits', (SELECT COALESCE(json_agg(l), '[]') FROM "
    "(SELECT id, scope, period, assistant_id, channel, "
    '"limit", soft_limit, cheaper_at, shorter_at, cached_at, refuse_at '
    "FROM gateway_spendinglimit WHERE tenant_id = %s) AS l), 'rates', (SELECT COALESCE(json_agg(r), '[]') FROM "
    "(SELECT scope, requests_per_minute, tokens_per_minute, concurrent "
    "FROM gateway_ratelimit WHERE tenant_id = %s) AS r))::text"
)


@dataclass(frozen=True, slots=True)
class BudgetClock:
    """What decides which counters a call moves: the database's clock, the tenant's time zone, its limits."""

    now: datetime
    time_zone: str
    newest: Budget | None
    limits: tuple[hierarchy.Limit, ...]
    rates: tuple[hierarchy.Rate, ...]

    @property
    def tenant_month(self) -> hierarchy.Limit | None:
        """The limit of the whole tenant's month."""
        return self.limit_of(BudgetScope.TENANT, BudgetPeriod.MONTH)

    def limit_of(self, scope: str, period: str) -> hierarchy.Limit | None:
        """The limit of this scope that names no assistant and no channel."""
        fitting = (limit for limit in self.limits if (limit.scope, limit.period) == (scope, period))
        return next((limit for limit in fitting if limit.assistant_id is None and not limit.channel), None)


def budget_clock() -> BudgetClock:
    """One query when the tenant has counters already, two on its very first call."""
    tenant_id = require_tenant_id()
    months = Budget.objects.filter(scope=BudgetScope.TENANT, period=BudgetPeriod.MONTH).select_related("tenant")
    newest = months.annotate(database_now=Now(), limits=_limits(tenant_id)).order_by("-period_start").first()
    if newest is None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT statement_timestamp(), ({_LIMITS})", [tenant_id, tenant_id])
            now, limits = cursor.fetchone()
        return BudgetClock(now, tenants.get_tenant(tenant_id).time_zone, None, *_parsed(limits))
    return BudgetClock(newest.database_now, newest.tenant.time_zone, newest, *_parsed(newest.limits))


def _limits(tenant_id: UUID) -> RawSQL:
    # Together with the counters in one query: whether there are further limits must not cost a look.
    return RawSQL(_LIMITS, [tenant_id, tenant_id], output_field=TextField())  # noqa: S611 - a constant text


def _parsed(rows: str) -> tuple[tuple[hierarchy.Limit, ...], tuple[hierarchy.Rate, ...]]:
    found = json.loads(rows, parse_float=Decimal)
    return tuple(map(hierarchy.Limit.from_row, found["limits"])), tuple(hierarchy.Rate(**row) for row in found["rates"])


def budget_status() -> contracts.BudgetStatus:
    """The running month as people see it. Reads only: a month nobody has spent in shows zeros."""
    clock = budget_clock()
    newest = clock.newest
    period = periods.period_at(clock.now, clock.time_zone)
    is_current = newest is not None and newest.period_start >= period.starts_on
    if newest is not None and is_current:
        period = periods.period_of(newest.period_start, clock.time_zone)
    limit = clock.tenant_month
    return contracts.BudgetStatus(
        budget_id=newest.id if newest is not None and is_current else None,
        scope="tenant",
        period_start=period.starts_at,
        resets_at=period.ends_at,
        timezone=clock.time_zone,
        limit=limit.limit if limit is not None else None,
        spent=newest.spent if newest is not None and is_current else Decimal(0),
        held=newest.held if newest is not None and is_current else Decimal(0),
    )


def list_limits() -> QuerySet[SpendingLimit]:
    """All spending limits, the widest scope first."""
    ranked = Case(*(When(scope=scope, then=place) for place, scope in enumerate(BudgetScope)))
    return SpendingLimit.objects.order_by(ranked, "-period", "created_at")


def get_limit(limit_id: UUID) -> SpendingLimit:
    """One spending limit. Raises `NotFound`."""
    limit = SpendingLimit.objects.filter(id=limit_id).first()
    if limit is None:
        raise NotFound("There is no such limit.")
    return limit


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How far a limit is used in its running period. Where it holds for many, the counter that is used most.

    `used` None: nobody has spent under it yet, or it covers a part of counters that cannot be told apart.
    """

    limit: SpendingLimit
    used: Decimal | None
    is_highest_of_many: bool


def list_limit_use() -> list[LimitUse]:
    """All limits with their use, in three queries however many there are."""
    clock = budget_clock()
    month = periods.period_at(clock.now, clock.time_zone).starts_on
    if clock.newest is not None:
        month = max(month, clock.newest.period_start)
    day = periods.day_at(clock.now, clock.time_zone).starts_on
    limits = list(list_limits())
    wanted = {_only_subject(limit) for limit in limits} - {None}
    running = Budget.objects.filter(
        Q(period=BudgetPeriod.MONTH, period_start=month) | Q(period=BudgetPeriod.DAY, period_start=day)
    ).annotate(used=F("spent") + F("held"))
    named = {(row.scope, row.subject, row.period): row.used for row in running.filter(subject__in=[*wanted, ""])}
    ranked = running.exclude(scope=BudgetScope.TENANT).order_by("scope", "period", "-used").distinct("scope", "period")
    highest = {(row.scope, row.period): row.used for row in ranked}
    uses = []
    for limit in limits:
        subject = _only_subject(limit)
        if subject is not None:
            uses.append(LimitUse(limit, named.get((limit.scope, subject, limit.period)), False))
        elif limit.assistant_id is None and not limit.channel:
            uses.append(LimitUse(limit, highest.get((limit.scope, limit.period)), True))
        else:
            uses.append(LimitUse(limit, None, True))
    return uses


def _only_subject(limit: SpendingLimit) -> str | None:
    """The one counter a limit is for, or None when it is for many."""
    if limit.scope == BudgetScope.TENANT:
        return ""
    if limit.assistant_id is None or limit.scope == BudgetScope.VISITOR:
        return None
    if limit.scope == BudgetScope.CHANNEL and not limit.channel:
        return None
    return hierarchy.subject_of(limit.scope, contracts.Spender(limit.assistant_id, limit.channel))


def list_rate_limits() -> QuerySet[RateLimit]:
    """The rate limits that were set."""
    return RateLimit.objects.order_by("created_at")


def list_alerts() -> QuerySet[BudgetAlert]:
    """What people were told about budgets, the newest first."""
    return BudgetAlert.objects.select_related("budget", "tenant").order_by("-created_at", "-id")


def get_alert_settings() -> AlertSettings:
    """Whom to tell; unsaved defaults when nobody has chosen."""
    return AlertSettings.objects.first() or AlertSettings()


def list_budgets() -> QuerySet[Budget]:
    """Each period's counters, the newest first, the tenant's own before those of its parts."""
    ranked = Case(*(When(scope=scope, then=place) for place, scope in enumerate(BudgetScope)))
    return Budget.objects.select_related("tenant").order_by("-period_start", ranked, "-spent")


def get_budget(budget_id: UUID) -> Budget:
    """One period's counters. Raises `NotFound`."""
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


def cost_of_call(call_id: UUID) -> Decimal | None:
    """US dollars that a call was charged, corrections included; None while it is not settled."""
    total: Decimal | None = UsageEntry.objects.filter(call_id=call_id).aggregate(total=Sum("cost"))["total"]
    return total


def spent_in(budget_id: UUID) -> Decimal:
    """The ledger's own sum for one row of counters: what `spent` must equal (B-03)."""
    entries = UsageEntry.objects.filter(Q(budget_id=budget_id) | Q(budget_ids__contains=[budget_id]))
    total: Decimal | None = entries.aggregate(total=Sum("cost"))["total"]
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
        grade=contracts.Grade(hold.grade),
    )


def find_hold(call_id: UUID) -> contracts.Hold | None:
    """The open hold of a call that was accepted earlier; None when it is closed or unknown."""
    hold = Hold.objects.filter(call_id=call_id, state="held").first()
    return hold_contract(hold) if hold is not None else None
