"""Reserve, then settle: money is set aside before a call and moved to the ledger after it (safety.md §4).

PostgreSQL keeps the limit: reserving is one conditional UPDATE of the month's counters, so no number of
processes can pass it together. All functions run inside the caller's `tenant_tx`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from apps.gateway import contracts, pricing, selectors
from apps.gateway.enums import Confidence, EntryKind, HoldState
from apps.gateway.models import Budget, Hold, UsageEntry
from apps.gateway.services import budgets
from parley.db.inserts import insert_parts
from parley.errors import Invalid, NotFound, OverBudget
from parley.llm import Usage, count_tokens

log = structlog.get_logger(__name__)

# Longer than the longest call (300 s, tried on several models) and its wait in a queue.
LIFETIME = timedelta(minutes=15)
# A shorter answer helps nobody: below this the call is refused instead of shortened.
MIN_USEFUL_OUTPUT = 128

_OPEN = (HoldState.HELD, HoldState.EXPIRED)


def reserve(
    *,
    call_id: UUID,
    purpose: contracts.Purpose,
    choice: contracts.ModelChoice,
    input_tokens: int,
    max_output_tokens: int,
    assistant_id: UUID | None = None,
    conversation_id: UUID | None = None,
    at: datetime | None = None,
) -> contracts.Hold:
    """Set aside the most that a call can cost; every call has a new `call_id` and a hold of its own.

    When the whole answer does not fit into the budget, the hold carries a lower `max_output_tokens`. The
    counters' row stays locked until the caller's transaction ends: call this last. `at` decides the month
    (default: the database's clock, which all processes share).

    Raises `OverBudget` with scope and reset time, `Invalid` when the model's price is unknown.
    """
    price = choice.price
    if price is None:
        raise Invalid(
            f"The price of {choice.label} is unknown, so its cost cannot be limited. "
            "Enter its price under Models, or choose another model."
        )
    month = budgets.open_month(at=at)
    output_tokens = min(max_output_tokens, choice.max_output_tokens)
    hold = Hold(
        call_id=call_id,
        budget=month.row,
        purpose=purpose,
        input_tokens=input_tokens,
        model_id=choice.model_id,
        model_label=choice.label,
        provider_id=choice.provider_id,
        input_price=price.input_per_million,
        output_price=price.output_per_million,
        cached_input_price=price.cached_input_per_million,
        assistant_id=assistant_id,
        conversation_id=conversation_id,
        expires_at=month.now + LIFETIME,
    )
    if not _take(hold, output_tokens):
        output_tokens = _shorten(month, price, input_tokens=input_tokens, wanted=output_tokens)
        if not _take(hold, output_tokens):
            raise _over_budget(month)
    return selectors.hold_contract(hold)


def settle(*, call_id: UUID, usage: Usage, confidence: contracts.Confidence = "exact") -> Decimal:
    """Charge what a call used, once: give the reservation back and write the ledger in one transaction.

    Returns the US dollars that the call has cost, also when it was settled before. Safe to repeat, and in any
    order with `release` and `expire`: only the first of them moves money. Usage that arrives after the hold
    expired is booked as a correction of the estimate made then.

    Raises `NotFound` when no such call was reserved.
    """
    return _settle(_lock(call_id), usage, confidence)


def settle_interrupted(*, call_id: UUID, text: str) -> Decimal:
    """Charge a call that was cancelled or broke off: its whole input, and the output counted from `text`.

    Never zero once dispatched: the provider has read the prompt. Returns as `settle` does. Safe to repeat.
    """
    hold = _lock(call_id)
    usage = Usage(hold.input_tokens, count_tokens(text), is_reported=False)
    return _settle(hold, usage, "estimated")


def _settle(hold: Hold, usage: Usage, confidence: contracts.Confidence) -> Decimal:
    if hold.state not in _OPEN:
        return selectors.cost_of_call(hold.call_id) or Decimal(0)
    is_exact = confidence == "exact" and usage.is_reported
    label = Confidence.EXACT if is_exact else Confidence.ESTIMATED
    cost = pricing.cost_of(hold.price, usage)
    if hold.state == HoldState.EXPIRED:
        _correct(hold, usage, label, cost=cost)
    else:
        _charge(hold, usage, label, state=HoldState.SETTLED, cost=cost)
    return cost


def release(*, call_id: UUID) -> None:
    """Give a reservation back whose call was never made, or was turned away unread. Safe to repeat."""
    hold = _lock(call_id)
    if hold.state != HoldState.HELD:
        return
    _close(hold, HoldState.RELEASED)
    _move(hold.budget_id, held=-hold.amount)


def expire(*, call_id: UUID) -> bool:
    """Charge the whole reservation of a call that nobody settled in time; True when this call did it.

    Whoever made the call is gone, so nobody knows what it used: the upper bound keeps the limit true.
    """
    hold = _lock(call_id)
    is_dead = Hold.objects.filter(id=hold.id, state=HoldState.HELD, expires_at__lte=Now()).exists()
    if not is_dead:
        return False
    usage = Usage(pricing.padded_input(hold.input_tokens), hold.max_output_tokens, is_reported=False)
    _charge(hold, usage, Confidence.ESTIMATED, state=HoldState.EXPIRED, cost=hold.amount)
    log.warning("hold.expired", call_id=str(call_id), amount=str(hold.amount))
    return True


def _take(hold: Hold, output_tokens: int) -> bool:
    """Set the worst case of so many output tokens aside and store the hold, or do nothing when it does not fit."""
    hold.max_output_tokens = output_tokens
    hold.amount = pricing.worst_case(hold.price, input_tokens=hold.input_tokens, max_output_tokens=output_tokens)
    if not hold.amount:
        # Free models work without any budget left, and do not queue for its row.
        hold.save(force_insert=True)
        return True
    columns, placeholders, values = insert_parts(hold)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH taken AS (UPDATE gateway_budget SET held = held + %s WHERE tenant_id = %s AND id = %s "  # noqa: S608 - names of columns only
            'AND ("limit" IS NULL OR "limit" >= spent + held + %s) RETURNING id) '
            f"INSERT INTO gateway_hold ({columns}) SELECT {placeholders} FROM taken",
            [hold.amount, hold.tenant_id, hold.budget_id, hold.amount, *values],
        )
        return bool(cursor.rowcount)


def _shorten(month: budgets.OpenMonth, price: contracts.Price, *, input_tokens: int, wanted: int) -> int:
    """The output tokens that still fit. Locks the counters, so that what fits now still fits afterwards."""
    row = Budget.objects.select_for_update().get(id=month.row.id)
    available = (row.limit or Decimal(0)) - row.spent - row.held
    tokens = pricing.affordable_output(price, input_tokens=input_tokens, available=available)
    if tokens < min(MIN_USEFUL_OUTPUT, wanted) or not wanted:
        raise _over_budget(month)
    return min(tokens, wanted)


def _over_budget(month: budgets.OpenMonth) -> OverBudget:
    resets_at = month.period.ends_at
    local = resets_at.astimezone(month.zone)
    return OverBudget(
        f"The budget for {month.period.starts_on:%B} does not allow another call. It starts again on "
        f"{local.day} {local:%B %Y} at {local:%H:%M} ({month.zone.key}). "
        "An owner or admin can raise the limit under Budgets.",
        scope=month.row.scope,
        resets_at=resets_at.isoformat().replace("+00:00", "Z"),
    )


def _lock(call_id: UUID) -> Hold:
    hold = Hold.objects.select_for_update().filter(call_id=call_id).first()
    if hold is None:
        raise NotFound("There is no reservation for this call.")
    return hold


def _charge(hold: Hold, usage: Usage, confidence: Confidence, *, state: HoldState, cost: Decimal) -> None:
    overage = max(Decimal(0), cost - hold.amount)
    _book(hold, EntryKind.CHARGE, usage, state=state, cost=cost, held=-hold.amount, overage=overage, label=confidence)
    if overage:
        log.warning("budget.overage", call_id=str(hold.call_id), model_id=str(hold.model_id), overage=str(overage))


def _correct(hold: Hold, usage: Usage, confidence: Confidence, *, cost: Decimal) -> None:
    charged = UsageEntry.objects.get(call_id=hold.call_id, kind=EntryKind.CHARGE)
    difference = Usage(
        usage.input_tokens - charged.input_tokens,
        usage.output_tokens - charged.output_tokens,
        usage.cached_input_tokens - charged.cached_input_tokens,
    )
    _book(
        hold,
        EntryKind.CORRECTION,
        difference,
        state=HoldState.SETTLED,
        cost=cost - charged.cost,
        held=Decimal(0),
        overage=max(Decimal(0), cost - hold.amount),
        label=confidence,
    )


def _book(
    hold: Hold,
    kind: EntryKind,
    usage: Usage,
    *,
    state: HoldState,
    cost: Decimal,
    held: Decimal,
    overage: Decimal,
    label: Confidence,
) -> None:
    """Close a locked hold, move the counters and write the ledger's line, in one statement."""
    entry = UsageEntry(
        call_id=hold.call_id,
        kind=kind,
        budget_id=hold.budget_id,
        purpose=hold.purpose,
        model_id=hold.model_id,
        model_label=hold.model_label,
        provider_id=hold.provider_id,
        assistant_id=hold.assistant_id,
        conversation_id=hold.conversation_id,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        cost=cost,
        overage=overage,
        confidence=label,
    )
    columns, placeholders, values = insert_parts(entry)
    # A free call does not queue for the counters' row.
    budget_id = hold.budget_id if held or cost else None
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH closed AS (UPDATE gateway_hold SET state = %s, closed_at = statement_timestamp() "  # noqa: S608 - names of columns only
            "WHERE tenant_id = %s AND id = %s), moved AS (UPDATE gateway_budget SET held = held + %s, "
            "spent = spent + %s WHERE tenant_id = %s AND id = %s::uuid) "
            f"INSERT INTO gateway_usageentry ({columns}) VALUES ({placeholders})",
            [state, hold.tenant_id, hold.id, held, cost, hold.tenant_id, budget_id, *values],
        )


def _close(hold: Hold, state: HoldState) -> None:
    Hold.objects.filter(id=hold.id).update(state=state, closed_at=Now())


def _move(budget_id: UUID, *, held: Decimal) -> None:
    if held:
        Budget.objects.filter(id=budget_id).update(held=F("held") + held)
