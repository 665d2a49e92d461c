"""Reserve, then settle: money is set aside before a call and moved to the ledger after it (safety.md §4).

PostgreSQL keeps the limits: reserving is one conditional statement over all counters of a call (`taking`), so no
number of processes can pass one together. All functions run inside the caller's `tenant_tx`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import connection
from django.db.models.functions import Now

from apps.gateway import contracts, pricing, selectors
from apps.gateway.enums import Confidence, EntryKind, HoldState
from apps.gateway.models import Hold, UsageEntry
from apps.gateway.services import alerts, counters, rates, spending, taking
from parley.db.inserts import insert_parts
from parley.errors import Invalid, NotFound, OverBudget
from parley.llm import Usage, count_tokens

log = structlog.get_logger(__name__)

# Longer than the longest call (300 s, tried on several models) and its wait in a queue.
LIFETIME = timedelta(minutes=15)
# Whether the highest threshold that a counter has reached is one that nobody was told of (`alerting`).
_HAS_NEWS = """
("limit" IS NOT NULL AND spent * 100 >= "limit" * 50 AND NOT COALESCE(told, '{}') && ARRAY[
    CASE WHEN spent >= "limit" THEN 100 WHEN spent * 100 >= "limit" * 80 THEN 80 ELSE 50 END]::smallint[])
OR (soft_limit IS NOT NULL AND "limit" IS NULL AND spent * 100 >= soft_limit * 50 AND NOT COALESCE(told, '{}') && ARRAY[
    CASE WHEN spent >= soft_limit THEN 1100 WHEN spent * 100 >= soft_limit * 80 THEN 1080 ELSE 1050 END]::smallint[])
OR (soft_limit IS NOT NULL AND "limit" IS NOT NULL AND spent >= soft_limit
    AND NOT COALESCE(told, '{}') && ARRAY[1100]::smallint[])
"""

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
    spender: contracts.Spender | None = None,
    cheaper: Sequence[contracts.ModelChoice] = (),
    is_new_answer: bool = False,
    at: datetime | None = None,
) -> contracts.Hold:
    """Set aside the most that a call can cost; every call has a new `call_id` and a hold of its own.

    It is set aside in every budget that the call counts against, or in none. `spender` says which those are; by
    default the one that the surrounding work was started for, with what is given here. When the whole answer does
    not fit, the hold carries a lower `max_output_tokens`; when not even that fits and a budget asks to save, it is
    made for the first of `cheaper` that fits, and its grade says so. The counters stay locked until the caller's
    transaction ends: call this last. `at` decides day and month (default: the database's clock, which all
    processes share). A new answer counts against the rate limits; its repeats and what it searches do not.

    Raises `OverBudget` with scope and reset time, `Invalid` when the model's price is unknown, and
    `TooMany` with the seconds to wait.
    """
    who = spender or spending.current_spender(assistant_id=assistant_id, conversation_id=conversation_id)
    month = counters.open_month(at=at)
    if is_new_answer and (limiting := rates.with_fair_share(month.rates)):
        rates.require_room(limiting, who, tokens=input_tokens + max_output_tokens, now=month.now.timestamp())
    moved = month.counters_of(who)
    saves = any(counter.limit is not None and counter.limit.cheaper_at is not None for counter in moved)
    refusal: OverBudget | None = None
    least = contracts.Grade.FULL
    for candidate in (choice, *(cheaper if saves else ())):
        hold = _new_hold(call_id, purpose, candidate, input_tokens=input_tokens, month=month, spender=who)
        try:
            taking.take(hold, month, moved, min(max_output_tokens, candidate.max_output_tokens), least=least)
        except OverBudget as problem:
            refusal = refusal or problem
            least = contracts.Grade.CHEAPER
        else:
            return selectors.hold_contract(hold)
    assert refusal is not None
    raise refusal


def _new_hold(
    call_id: UUID,
    purpose: contracts.Purpose,
    choice: contracts.ModelChoice,
    *,
    input_tokens: int,
    month: counters.OpenMonth,
    spender: contracts.Spender,
) -> Hold:
    price = choice.price
    if price is None:
        raise Invalid(
            f"The price of {choice.label} is unknown, so its cost cannot be limited. "
            "Enter its price under Models, or choose another model."
        )
    return Hold(
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
        rate_details=price.details(),
        assistant_id=spender.assistant_id,
        channel=spender.channel,
        visitor_id=spender.visitor_id,
        api_key_id=spender.api_key_id,
        conversation_id=spender.conversation_id,
        expires_at=month.now + LIFETIME,
    )


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
    Hold.objects.filter(id=hold.id).update(state=HoldState.RELEASED, closed_at=Now())
    if hold.amount:
        taking.give_back(hold)


def expire(*, call_id: UUID) -> bool:
    """Charge the whole reservation of a call that nobody settled in time; True when this call did it.

    Whoever made the call is gone, so nobody knows what it used: the upper bound keeps the limit true.
    """
    hold = _lock(call_id)
    is_dead = Hold.objects.filter(id=hold.id, state=HoldState.HELD, expires_at__lte=Now()).exists()
    if not is_dead:
        return False
    usage = Usage(pricing.padded_input(hold.input_tokens), hold.max_output_tokens, is_reported=False)
    _charge(hold, usage, Confidence.UNKNOWN, state=HoldState.EXPIRED, cost=hold.amount)
    log.warning("hold.expired", call_id=str(call_id), amount=str(hold.amount))
    return True


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
        cache_write_tokens=usage.cache_write_tokens - charged.cache_write_tokens,
        image_tokens=usage.image_tokens - charged.image_tokens,
        reasoning_tokens=usage.reasoning_tokens - charged.reasoning_tokens,
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
        budget_ids=hold.budget_ids,
        purpose=hold.purpose,
        model_id=hold.model_id,
        model_label=hold.model_label,
        provider_id=hold.provider_id,
        assistant_id=hold.assistant_id,
        channel=hold.channel,
        visitor_id=hold.visitor_id,
        conversation_id=hold.conversation_id,
        grade=hold.grade,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        image_tokens=usage.image_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        output_tokens=usage.output_tokens,
        cost=cost,
        overage=overage,
        confidence=label,
    )
    columns, placeholders, values = insert_parts(entry)
    # A free call does not queue for the counters.
    moved = hold.counter_ids if held or cost else []
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH closed AS (UPDATE gateway_hold SET state = %s, closed_at = statement_timestamp() "  # noqa: S608 - names of columns only
            f"WHERE tenant_id = %s AND id = %s), {taking.LOCKED}, moved AS (UPDATE gateway_budget AS b "
            "SET held = b.held + %s, spent = b.spent + %s FROM locked WHERE b.id = locked.id "
            'RETURNING b.id, b.spent, b."limit", b.soft_limit, b.told) '
            f"INSERT INTO gateway_usageentry ({columns}) VALUES ({placeholders}) "
            f"RETURNING (SELECT array_agg(id) FROM moved WHERE {_HAS_NEWS})",
            [state, hold.tenant_id, hold.id, *taking.locked(moved), held, cost, *values],
        )
        (news,) = cursor.fetchone()
    if news and cost > 0:
        alerts.raise_alerts(news)
