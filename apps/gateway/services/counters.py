"""The rows that count: the running month of the tenant, and the counters of everything that has a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from apps.gateway import contracts, hierarchy, periods, selectors
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.hierarchy import Counter, Limit, Rate
from apps.gateway.models import Budget


@dataclass(frozen=True, slots=True)
class OpenMonth:
    """The counters of the running month, and the limits of the tenant.

    `now` is the instant that decided which month that is.
    """

    row: Budget
    period: periods.Period
    zone: ZoneInfo
    now: datetime
    limits: tuple[Limit, ...]
    rates: tuple[Rate, ...]

    def counters_of(self, spender: contracts.Spender) -> tuple[Counter, ...]:
        """All counters that a call for `spender` moves, in the order of their locks."""
        return hierarchy.counters_of(self.limits, spender, month=self.period, at=self.now, time_zone=self.zone.key)


def open_month(*, at: datetime | None = None) -> OpenMonth:
    """The running month's counters, made on first use.

    The database's clock decides unless `at` is given, so a web process with a wrong clock changes nothing.
    Never goes back to an earlier month than the newest one there is (a tenant moved its time zone).
    Safe to call from many processes at once: the month is unique.
    """
    clock = selectors.budget_clock()
    now = at or clock.now
    zone = periods.zone_of(clock.time_zone)
    newest = clock.newest
    period = periods.period_at(now, clock.time_zone)
    if newest is not None and newest.period_start >= period.starts_on:
        period = periods.period_of(newest.period_start, clock.time_zone)
        return OpenMonth(newest, period, zone, now, clock.limits, clock.rates)
    limit = clock.tenant_month
    row = Budget(
        scope=BudgetScope.TENANT,
        period=BudgetPeriod.MONTH,
        period_start=period.starts_on,
        limit=limit.limit if limit is not None else None,
    )
    Budget.objects.bulk_create([row], ignore_conflicts=True)
    row = Budget.objects.get(scope=BudgetScope.TENANT, period=BudgetPeriod.MONTH, period_start=period.starts_on)
    return OpenMonth(row, period, zone, now, clock.limits, clock.rates)


def open_counters(counters: Sequence[Counter]) -> None:
    """Make the rows of these counters where there are none yet. Safe to call from many processes at once."""
    Budget.objects.bulk_create(
        [
            Budget(
                scope=counter.scope,
                subject=counter.subject,
                period=counter.kind,
                period_start=counter.period.starts_on,
                limit=counter.ceiling,
            )
            for counter in counters
        ],
        ignore_conflicts=True,
    )
