"""Limits below the tenant's own: whose they are, when they begin anew, and what they stop."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.gateway import periods
from apps.gateway.contracts import FREE, Spender
from apps.gateway.hierarchy import Counter, Limit, counters_of
from apps.gateway.models import Budget, Hold, SpendingLimit, UsageEntry
from apps.gateway.services import budgets, holds
from apps.gateway.services.spending import current_spender, spending_for
from apps.tenants.models import AuditEvent
from parley.db import uuid7
from parley.errors import Conflict, Invalid, OverBudget
from parley.llm import Usage
from tests.gateway.choices import make_choice

A, B, VISITOR, OTHER = (UUID(int=number) for number in range(1, 5))
NOON = datetime(2031, 3, 29, 12, tzinfo=UTC)
# One call of 1,000 tokens in and out costs 0.01105 dollars at most.
CALL = Decimal("0.01105")
NOTHING = Decimal(0)


def limit_of(scope: str, period: str = "month", **fields: Any) -> Limit:
    values = {"assistant_id": None, "channel": "", "limit": Decimal(1), "soft_limit": None, **fields}
    return Limit(id=uuid7(), scope=scope, period=period, **values)


def counters(limits: list[Limit], spender: Spender, zone: str = "UTC") -> list[Counter]:
    month = periods.period_at(NOON, zone)
    return list(counters_of(limits, spender, month=month, at=NOON, time_zone=zone))


def test_counters_come_in_one_order_and_the_tenants_month_first() -> None:
    """B-01: locks are taken in the order tenant, assistant, channel, visitor, whatever the order of the rules."""
    limits = [limit_of(scope, period) for scope in ("visitor", "tenant", "channel", "assistant") for period in ("day",)]
    found = counters([*limits, limit_of("assistant")], Spender(A, "widget", VISITOR))
    assert [(counter.scope, counter.kind) for counter in found] == [
        ("tenant", "month"),
        ("tenant", "day"),
        ("assistant", "month"),
        ("assistant", "day"),
        ("channel", "day"),
        ("visitor", "day"),
    ]
    assert found[0].limit is None
    assert [counter.subject for counter in found[2:]] == [str(A), str(A), f"{A}:widget", str(VISITOR)]


def test_work_without_a_visitor_moves_no_visitors_counter() -> None:
    limits = [limit_of("assistant"), limit_of("channel"), limit_of("visitor")]
    assert [counter.scope for counter in counters(limits, Spender(A))] == ["tenant", "assistant"]
    assert [counter.scope for counter in counters(limits, Spender())] == ["tenant"]


def test_the_more_precise_limit_counts() -> None:
    each, widget = limit_of("channel"), limit_of("channel", channel="widget")
    of_a, both = limit_of("channel", assistant_id=A), limit_of("channel", assistant_id=A, channel="widget")
    for limits, spender, expected in [
        ([each, widget], Spender(B, "widget"), widget),
        ([widget, of_a, each], Spender(A, "widget"), of_a),
        ([both, of_a, widget, each], Spender(A, "widget"), both),
        ([both, of_a, widget, each], Spender(B, "public"), each),
    ]:
        assert counters(limits, spender)[-1].limit is expected


@pytest.mark.parametrize(
    ("zone", "instant", "day", "hours"),
    [
        ("Europe/Berlin", "2031-03-30T00:30", date(2031, 3, 30), 23),
        ("Europe/Berlin", "2031-10-25T22:30", date(2031, 10, 26), 25),
        ("Pacific/Kiritimati", "2031-03-29T12:00", date(2031, 3, 30), 24),
        ("Pacific/Pago_Pago", "2031-03-29T10:59", date(2031, 3, 28), 24),
    ],
)
def test_a_day_is_the_tenants_own(zone: str, instant: str, day: date, hours: int) -> None:
    """B-08: two time zones, and the days on which clocks change."""
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    period = periods.day_at(at, zone)
    assert period.starts_on == day
    assert period.ends_at - period.starts_at == timedelta(hours=hours)
    assert period.starts_at <= at < period.ends_at
    assert periods.day_at(period.ends_at, zone).starts_on == day + timedelta(days=1)


# -- with rows ----------------------------------------------------------------------


def reserve(spender: Spender, *, at: datetime | None = None, output: int = 1_000, **fields: Any) -> UUID:
    call_id = uuid7()
    holds.reserve(
        call_id=call_id,
        purpose="chat",
        choice=fields.pop("choice", None) or make_choice(),
        input_tokens=1_000,
        max_output_tokens=output,
        spender=spender,
        at=at,
    )
    return call_id


def rows() -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    return {(row.scope, row.subject): (row.spent, row.held) for row in Budget.objects.exclude(scope="tenant")}


@pytest.mark.usefixtures("in_tenant_a")
def test_a_call_moves_all_of_its_counters_or_none() -> None:
    """B-01: what does not fit one visitor is not held in the assistant's or the tenant's budget either."""
    budgets.create_limit(scope="assistant", period="month", limit=Decimal(1))
    budgets.create_limit(scope="visitor", period="day", limit=CALL)
    call_id = reserve(Spender(A, "widget", VISITOR))
    before = rows()
    with pytest.raises(OverBudget) as caught:
        reserve(Spender(A, "widget", VISITOR))
    assert rows() == before == {("assistant", str(A)): (NOTHING, CALL), ("visitor", str(VISITOR)): (NOTHING, CALL)}
    assert caught.value.extra["scope"] == "visitor"
    assert Budget.objects.get(scope="tenant").held == CALL
    holds.settle(call_id=call_id, usage=Usage(1_000, 100))
    cost = Decimal("0.002")
    assert rows() == {("assistant", str(A)): (cost, NOTHING), ("visitor", str(VISITOR)): (cost, NOTHING)}
    assert UsageEntry.objects.get(call_id=call_id).budget_ids == Hold.objects.get(call_id=call_id).budget_ids
    other = reserve(Spender(A, "widget", OTHER))
    holds.release(call_id=other)
    assert rows()["visitor", str(OTHER)] == (NOTHING, NOTHING)
    assert rows()["assistant", str(A)] == (cost, NOTHING)


@pytest.mark.usefixtures("in_tenant_a")
def test_each_widget_has_a_wall_of_its_own() -> None:
    """A-14: what one assistant's widget used up is left to another's, and to the first one's own page."""
    budgets.create_limit(scope="channel", channel="widget", period="day", limit=CALL)
    reserve(Spender(A, "widget", VISITOR))
    with pytest.raises(OverBudget, match="this channel"):
        reserve(Spender(A, "widget", OTHER))
    reserve(Spender(B, "widget", OTHER))
    reserve(Spender(A, "public", OTHER))


@pytest.mark.usefixtures("in_tenant_a")
def test_a_daily_limit_starts_again_tomorrow() -> None:
    """B-08, B-12: the day's counters roll, the answer says when, the month goes on."""
    budgets.create_limit(scope="tenant", period="day", limit=CALL)
    reserve(Spender(A), at=NOON)
    with pytest.raises(OverBudget) as caught:
        reserve(Spender(A), at=NOON)
    assert caught.value.extra == {"scope": "tenant", "period": "day", "resets_at": "2031-03-30T00:00:00Z"}
    assert "for 29 March" in caught.value.detail
    reserve(Spender(A), at=NOON + timedelta(days=1))
    assert Budget.objects.get(scope="tenant", period="month", period_start=date(2031, 3, 1)).held == 2 * CALL


@pytest.mark.usefixtures("in_tenant_a")
def test_the_answer_is_shortened_to_the_tightest_budget() -> None:
    budgets.set_limit(limit=Decimal(1))
    budgets.create_limit(scope="assistant", period="month", limit=Decimal("0.005"))
    call_id = reserve(Spender(A))
    assert Hold.objects.get(call_id=call_id).max_output_tokens == 395
    assert rows()["assistant", str(A)] == (NOTHING, Decimal("0.005"))


@pytest.mark.usefixtures("in_tenant_a")
def test_free_calls_and_removed_limits_stop_nobody() -> None:
    budgets.create_limit(scope="visitor", period="day", limit=Decimal(0))
    reserve(Spender(A, "widget", VISITOR), choice=make_choice(price=FREE))
    with pytest.raises(OverBudget):
        reserve(Spender(A, "widget", VISITOR))
    budgets.delete_limit(limit_id=SpendingLimit.objects.get().id)
    reserve(Spender(A, "widget", VISITOR))


@pytest.mark.usefixtures("in_tenant_a")
def test_more_than_reserved_shows_in_every_counter_and_stops_the_next_call() -> None:
    """B-02: the overage of a call is part of each of its budgets."""
    budgets.create_limit(scope="visitor", period="month", limit=CALL)
    call_id = reserve(Spender(A, "widget", VISITOR))
    holds.settle(call_id=call_id, usage=Usage(3_000, 1_000))
    assert rows()["visitor", str(VISITOR)] == (Decimal("0.013"), NOTHING)
    with pytest.raises(OverBudget):
        reserve(Spender(A, "widget", VISITOR), output=1)
    reserve(Spender(A, "widget", OTHER))


@pytest.mark.usefixtures("in_tenant_a")
def test_work_below_counts_for_whom_it_was_started() -> None:
    """B-10: a question is embedded and rewritten at the cost of the visitor who asked it."""
    budgets.create_limit(scope="visitor", period="day", limit=Decimal(1))
    with spending_for(Spender(A, "widget", VISITOR)):
        assert current_spender(conversation_id=B) == Spender(A, "widget", VISITOR, B)
        call_id = uuid7()
        holds.reserve(call_id=call_id, purpose="embed", choice=make_choice(), input_tokens=1_000, max_output_tokens=0)
    assert current_spender() == Spender()
    assert rows()["visitor", str(VISITOR)][1] == Decimal("0.00105")
    assert Hold.objects.get(call_id=call_id).channel == "widget"


@pytest.mark.usefixtures("in_tenant_a")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scope": "tenant", "assistant_id": A, "limit": Decimal(1)}, "assistant_id"),
        ({"scope": "assistant", "channel": "widget", "limit": Decimal(1)}, "channel"),
        ({"scope": "visitor", "limit": Decimal(-1)}, "limit"),
        ({"scope": "visitor", "limit": Decimal(1), "soft_limit": Decimal(2)}, "soft_limit"),
        ({"scope": "visitor", "limit": Decimal(1), "cheaper_at": 101}, "cheaper_at"),
        ({"scope": "visitor", "limit": Decimal(1), "cheaper_at": 90, "shorter_at": 80}, "shorter_at"),
        ({"scope": "visitor", "cheaper_at": 90}, "cheaper_at"),
    ],
)
def test_limits_that_contradict_themselves_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        budgets.create_limit(period="day", **fields)
    assert set(caught.value.errors) == {field}


@pytest.mark.usefixtures("in_tenant_a")
def test_there_is_one_limit_for_one_thing_and_the_log_says_who_changed_it() -> None:
    limit = budgets.create_limit(scope="assistant", assistant_id=A, period="day", limit=Decimal(1))
    with pytest.raises(Conflict):
        budgets.create_limit(scope="assistant", assistant_id=A, period="day", limit=Decimal(2))
    budgets.update_limit(limit_id=limit.id, changes={"limit": Decimal(3), "cheaper_at": 80})
    event = AuditEvent.objects.filter(action="budget.limit_changed").latest("created_at")
    assert (event.before, event.after) == ({"limit": "1", "cheaper_at": None}, {"limit": "3", "cheaper_at": 80})
