"""Moves money between counters: all of a call's budgets in one statement, locked in one order, or none.

The order is that of `hierarchy.counters_of`, the tenant's month first: two calls of a tenant can wait for each other
but never in a circle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from apps.gateway import contracts, pricing
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.hierarchy import Counter
from apps.gateway.models import Hold
from apps.gateway.services import counters as rows
from apps.gateway.services.counters import OpenMonth
from parley.db.inserts import insert_parts
from parley.errors import OverBudget
from parley.tenancy import require_tenant_id
from parley.web.actors import current_actor

# A shorter answer helps nobody: below this the call is refused instead of shortened.
MIN_USEFUL_OUTPUT = 128

# Rows by id, locked in the order of the list. Sorting happens before locking in PostgreSQL's plans.
LOCKED = (
    "locked AS (SELECT id FROM gateway_budget WHERE tenant_id = %s AND id = ANY(%s::uuid[]) "
    "ORDER BY array_position(%s::uuid[], id) FOR UPDATE)"
)


@dataclass(frozen=True, slots=True)
class _Level:
    """A counter as it stood when it was locked, before this call."""

    counter: Counter
    id: UUID
    spent: Decimal
    held: Decimal

    @property
    def available(self) -> Decimal | None:
        ceiling = self.counter.ceiling
        return None if ceiling is None else ceiling - self.spent - self.held

    @property
    def grade(self) -> contracts.Grade:
        limit = self.counter.limit
        return contracts.Grade.FULL if limit is None else limit.grade(self.spent + self.held)


def take(
    hold: Hold,
    month: OpenMonth,
    counters: Sequence[Counter],
    output_tokens: int,
    *,
    least: contracts.Grade = contracts.Grade.FULL,
) -> None:
    """Set the worst case of so many output tokens aside in all counters and store the hold.

    Gives the hold a shorter answer when only that fits, and a grade of `least` or above. Raises
    `OverBudget`; then nothing is set aside.
    """
    hold.grade = least
    _ask_for(hold, output_tokens)
    if not hold.amount:
        # Free models work without any budget left, and do not queue for its row.
        hold.save(force_insert=True)
        return
    if len(counters) == 1 and _take_at_once(hold, month, counters[0]):
        return
    levels = _lock(counters)
    if not _fits(hold, levels):
        _ask_for(hold, _shortened(hold, month, levels, wanted=output_tokens))
    hold.grade = max(least, *(level.grade for level in levels))
    if len(levels) > 1:
        hold.budget_ids = [level.id for level in levels]
    _store(hold, levels)


def give_back(hold: Hold) -> None:
    """Take a reservation out of all its counters again."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {LOCKED} UPDATE gateway_budget AS b SET held = b.held - %s FROM locked WHERE b.id = locked.id",  # noqa: S608 - a constant text
            [*locked(hold.counter_ids), hold.amount],
        )


def locked(budget_ids: Sequence[UUID]) -> list[Any]:
    """The parameters of `LOCKED`."""
    ids = list(budget_ids)
    return [require_tenant_id(), ids, ids]


def _ask_for(hold: Hold, output_tokens: int) -> None:
    hold.max_output_tokens = output_tokens
    hold.amount = pricing.worst_case(hold.price, input_tokens=hold.input_tokens, max_output_tokens=output_tokens)


def _take_at_once(hold: Hold, month: OpenMonth, counter: Counter) -> bool:
    """Where only the tenant's month counts: look and move in one conditional statement. False when it is too much."""
    if counter.limit is not None:
        hold.grade = max(hold.grade, counter.limit.grade(month.row.spent + month.row.held))
    ceiling = counter.ceiling
    columns, placeholders, values = insert_parts(hold)
    limits = [ceiling, counter.soft_limit]
    fits = [ceiling, ceiling, hold.amount]
    with connection.cursor() as cursor:
        cursor.execute(
            'WITH taken AS (UPDATE gateway_budget SET held = held + %s, "limit" = %s, soft_limit = %s '  # noqa: S608 - names of columns only
            "WHERE tenant_id = %s AND id = %s AND (%s::numeric IS NULL OR %s >= spent + held + %s) RETURNING id) "
            f"INSERT INTO gateway_hold ({columns}) SELECT {placeholders} FROM taken",
            [hold.amount, *limits, hold.tenant_id, hold.budget_id, *fits, *values],
        )
        return bool(cursor.rowcount)


def _lock(counters: Sequence[Counter]) -> list[_Level]:
    """All rows of the counters, locked in order; made where there are none yet."""
    found = _locked_rows(counters)
    if len(found) < len(counters):
        rows.open_counters(counters)
        found = _locked_rows(counters)
    return found


def _locked_rows(counters: Sequence[Counter]) -> list[_Level]:
    wanted = ", ".join(["(%s::int, %s::text, %s::text, %s::text, %s::date)"] * len(counters))
    keys = [value for place, counter in enumerate(counters) for value in (place, *counter.key)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.place, b.id, b.spent, b.held FROM gateway_budget AS b "  # noqa: S608 - only placeholders are put into the text
            f"JOIN (VALUES {wanted}) AS w (place, scope, subject, period, period_start) "
            "ON b.scope = w.scope AND b.subject = w.subject AND b.period = w.period "
            "AND b.period_start = w.period_start WHERE b.tenant_id = %s ORDER BY w.place FOR UPDATE OF b",
            [*keys, require_tenant_id()],
        )
        return [_Level(counters[place], *row) for place, *row in cursor.fetchall()]


def _fits(hold: Hold, levels: Sequence[_Level]) -> bool:
    return all(level.available is None or level.available >= hold.amount for level in levels)


def _shortened(hold: Hold, month: OpenMonth, levels: Sequence[_Level], *, wanted: int) -> int:
    """The output tokens that fit into the tightest of the locked counters. Raises `OverBudget` when too few do."""
    least = min(wanted, MIN_USEFUL_OUTPUT)
    tokens = wanted
    for level in levels:
        if level.available is None or level.available >= hold.amount:
            continue
        fitting = pricing.affordable_output(hold.price, input_tokens=hold.input_tokens, available=level.available)
        if fitting < least or not wanted:
            raise _over_budget(month, [level for level in levels if not _fits(hold, [level])])
        tokens = min(tokens, fitting)
    return tokens


def _store(hold: Hold, levels: Sequence[_Level]) -> None:
    """Move the locked counters, note what they were measured against, and store the hold."""
    wanted = ", ".join(["(%s::uuid, %s::numeric, %s::numeric)"] * len(levels))
    limits = [value for level in levels for value in (level.id, level.counter.ceiling, level.counter.soft_limit)]
    columns, placeholders, values = insert_parts(hold)
    with connection.cursor() as cursor:
        cursor.execute(
            'WITH taken AS (UPDATE gateway_budget AS b SET held = b.held + %s, "limit" = w.ceiling, '  # noqa: S608 - names of columns only
            f"soft_limit = w.soft_limit FROM (VALUES {wanted}) AS w (id, ceiling, soft_limit) "
            "WHERE b.tenant_id = %s AND b.id = w.id) "
            f"INSERT INTO gateway_hold ({columns}) VALUES ({placeholders})",
            [hold.amount, *limits, hold.tenant_id, *values],
        )


_WHOSE = {
    BudgetScope.TENANT: "The budget",
    BudgetScope.ASSISTANT: "The budget of this assistant",
    BudgetScope.CHANNEL: "The budget of this channel",
    BudgetScope.VISITOR: "The budget of this visitor",
}


def _over_budget(month: OpenMonth, full: Sequence[_Level]) -> OverBudget:
    """Names the budget that opens last: before that, no call is possible."""
    counter = max(full, key=lambda level: level.counter.period.ends_at).counter
    resets_at = counter.period.ends_at
    local = resets_at.astimezone(month.zone)
    is_day = counter.kind == BudgetPeriod.DAY
    starts_on = counter.period.starts_on
    span = f"{starts_on.day} {starts_on:%B}" if is_day else f"{starts_on:%B}"
    actor = current_actor()
    if actor is not None and actor.kind == "visitor":
        sentence = f"No more questions can be answered here for now. Please come back {_when(local, month)}."
    else:
        sentence = (
            f"{_WHOSE[BudgetScope(counter.scope)]} for {span} does not allow another call. It starts again "
            f"{_when(local, month)}. An owner or admin can raise the limit under Budgets."
        )
    return OverBudget(
        sentence,
        scope=counter.scope,
        period=counter.kind,
        resets_at=resets_at.isoformat().replace("+00:00", "Z"),
    )


def _when(local: datetime, month: OpenMonth) -> str:
    return f"on {local.day} {local:%B %Y} at {local:%H:%M} ({month.zone.key})"
