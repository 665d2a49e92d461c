"""Spending limits: who may spend how much in a day or a month. They count from the next call on."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.models import Budget, SpendingLimit
from apps.gateway.services import alerts
from apps.gateway.services.counters import open_month
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid

__all__ = ["create_limit", "delete_limit", "open_month", "set_limit", "update_limit"]

# numeric(18, 9) ends below a billion.
LARGEST_LIMIT = Decimal(999_999_999)
GRADES = ("cheaper_at", "shorter_at", "cached_at", "refuse_at")
_AMOUNTS = ("limit", "soft_limit")
_CHANGEABLE = (*_AMOUNTS, *GRADES)


def set_limit(*, limit: Decimal | None) -> Budget:
    """Limit this and the following months of the whole tenant to `limit` US dollars; None removes the limit.

    Counts from the next call on. A limit below what is spent stops calls until the next month.
    Raises `Invalid`.
    """
    row = SpendingLimit.objects.filter(
        scope=BudgetScope.TENANT, period=BudgetPeriod.MONTH, assistant_id=None, channel=""
    ).first()
    if row is not None:
        update_limit(limit_id=row.id, changes={"limit": limit})
    elif limit is not None:
        create_limit(scope=BudgetScope.TENANT, period=BudgetPeriod.MONTH, limit=limit)
    return open_month().row


def create_limit(
    *, scope: str, period: str, assistant_id: UUID | None = None, channel: str = "", **values: Any
) -> SpendingLimit:
    """Add a limit for a scope and period. `values`: amounts in US dollars and the four percentages.

    Raises `Invalid`, and `Conflict` when there is one for exactly the same.
    """
    if scope not in BudgetScope.values or period not in BudgetPeriod.values:
        raise Invalid("Choose whose spending to limit, and whether by day or by month.")
    if scope == BudgetScope.TENANT and (assistant_id is not None or channel):
        raise _wrong("assistant_id", "A limit for everything together names no assistant and no channel.")
    if scope == BudgetScope.ASSISTANT and channel:
        raise _wrong("channel", "To limit one channel of an assistant, choose the scope Channel.")
    row = SpendingLimit(scope=scope, period=period, assistant_id=assistant_id, channel=channel)
    _apply(row, values)
    if SpendingLimit.objects.filter(scope=scope, period=period, assistant_id=assistant_id, channel=channel).exists():
        raise Conflict("There is a limit for this already. Change that one.")
    row.save(force_insert=True)
    audit.record(action="budget.limit_changed", target=row, before={"limit": None}, after=_shown(row))
    _show_on_running_month(row)
    return row


def update_limit(*, limit_id: UUID, changes: dict[str, Any]) -> SpendingLimit:
    """Change amounts and percentages of a limit. Raises `NotFound`, `Invalid`."""
    row = selectors.get_limit(limit_id)
    before = _shown(row)
    _apply(row, changes)
    after = _shown(row)
    if before != after:
        row.save()
        changed = [name for name in after if before.get(name) != after[name]]
        audit.record(
            action="budget.limit_changed",
            target=row,
            before={name: before.get(name) for name in changed},
            after={name: after[name] for name in changed},
        )
        _show_on_running_month(row)
    return row


def delete_limit(*, limit_id: UUID) -> None:
    """Remove a limit: what it counted stays in the ledger, nothing is stopped by it any more. Raises `NotFound`."""
    row = selectors.get_limit(limit_id)
    audit.record(action="budget.limit_removed", target=row, before=_shown(row), after={})
    row.limit = row.soft_limit = None
    _show_on_running_month(row)
    row.delete()


def _apply(row: SpendingLimit, values: dict[str, Any]) -> None:
    """Set and check. Amounts and percentages may come alone; the whole must make sense together."""
    for name, value in values.items():
        if name not in _CHANGEABLE:
            raise Invalid(f"A limit has no {name}.")
        setattr(row, name, value)
    for name in _AMOUNTS:
        amount = getattr(row, name)
        if amount is not None and (not amount.is_finite() or amount < 0 or amount > LARGEST_LIMIT):
            raise _wrong(name, "The limit must be an amount in US dollars from 0 to 999,999,999.")
    if row.limit is not None and row.soft_limit is not None and row.soft_limit > row.limit:
        raise _wrong("soft_limit", "The warning line must not lie above the limit.")
    _require_steps(row)


def _require_steps(row: SpendingLimit) -> None:
    percents = [(name, getattr(row, name)) for name in GRADES if getattr(row, name) is not None]
    for name, percent in percents:
        if not 1 <= percent <= 100:
            raise _wrong(name, "Enter a share of the limit from 1 to 100 percent.")
    for (_, earlier), (name, later) in pairwise(percents):
        if later < earlier:
            raise _wrong(name, "Each step must begin at the same share as the one before it, or at a larger one.")
    if percents and row.limit is None and row.soft_limit is None:
        raise _wrong(percents[0][0], "Steps are shares of a limit: set a limit or a warning line first.")


def _show_on_running_month(row: SpendingLimit) -> None:
    """The tenant's month shows its limit at once; other counters when the next call is measured against it."""
    if row.scope == BudgetScope.TENANT and row.period == BudgetPeriod.MONTH:
        # What is spent may have reached the new limit already.
        month = open_month()
        Budget.objects.filter(id=month.row.id).update(limit=row.limit, soft_limit=row.soft_limit)
        alerts.raise_alerts([month.row.id])


def _shown(row: SpendingLimit) -> dict[str, Any]:
    """What the audit log keeps: what is set, and always the limit itself."""
    values = {name: getattr(row, name) for name in _CHANGEABLE}
    return {name: _text(value) for name, value in values.items() if value is not None or name == "limit"}


def _text(value: Decimal | int | None) -> str | int | None:
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value


def _wrong(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})
