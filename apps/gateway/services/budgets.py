"""Monthly budgets: the limit, and the counters that begin anew each month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from apps.gateway import periods, selectors
from apps.gateway.enums import BudgetScope
from apps.gateway.models import Budget
from apps.tenants.services import audit
from parley.errors import Invalid

# numeric(18, 9) ends below a billion.
LARGEST_LIMIT = Decimal(999_999_999)


@dataclass(frozen=True, slots=True)
class OpenMonth:
    """The counters of the running month. `now` is the instant that decided which month that is."""

    row: Budget
    period: periods.Period
    zone: ZoneInfo
    now: datetime


def open_month(*, at: datetime | None = None) -> OpenMonth:
    """The running month's counters, made on first use with the limit of the month before.

    The database's clock decides unless `at` is given, so a web process with a wrong clock changes nothing.
    Never goes back to an earlier month than the newest one there is (a tenant moved its time zone).
    Safe to call from many processes at once: the month is unique.
    """
    clock = selectors.budget_clock()
    now = at or clock.now
    newest = clock.newest
    period = periods.period_at(now, clock.time_zone)
    if newest is not None and newest.period_start >= period.starts_on:
        period = periods.period_of(newest.period_start, clock.time_zone)
        return OpenMonth(newest, period, periods.zone_of(clock.time_zone), now)
    row = Budget(
        scope=BudgetScope.TENANT,
        period_start=period.starts_on,
        limit=newest.limit if newest is not None else None,
    )
    Budget.objects.bulk_create([row], ignore_conflicts=True)
    row = Budget.objects.get(scope=BudgetScope.TENANT, period_start=period.starts_on)
    return OpenMonth(row, period, periods.zone_of(clock.time_zone), now)


def set_limit(*, limit: Decimal | None) -> Budget:
    """Limit this and the following months to `limit` US dollars; None removes the limit.

    Counts from the next call on. A limit below what is spent stops calls until the next month.
    Raises `Invalid`.
    """
    if limit is not None:
        _require_amount(limit)
    row = open_month().row
    before = row.limit
    if before != limit:
        Budget.objects.filter(id=row.id).update(limit=limit)
        row.limit = limit
        audit.record(
            action="budget.limit_changed",
            target=row,
            before={"limit": _text(before)},
            after={"limit": _text(limit)},
        )
    return row


def _require_amount(limit: Decimal) -> None:
    if not limit.is_finite() or limit < 0 or limit > LARGEST_LIMIT:
        sentence = "The limit must be an amount in US dollars from 0 to 999,999,999."
        raise Invalid(sentence, errors={"limit": [sentence]})


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount.normalize(), "f")
