"""Reserve, then settle: one call's money in every order of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from apps.gateway import pricing, selectors
from apps.gateway.contracts import FREE, ModelChoice, Price
from apps.gateway.enums import EntryKind
from apps.gateway.models import Budget, Hold, UsageEntry
from apps.gateway.services import budgets, counters, holds
from apps.gateway.tasks import expire_holds
from apps.tenants.models import Tenant
from parley.db import uuid7
from parley.errors import Invalid, NotFound, OverBudget
from parley.llm import Usage
from tests.fixtures import TenantWithKey
from tests.gateway.choices import PRICE, make_choice

pytestmark = pytest.mark.usefixtures("in_tenant_a")


def reserve(
    choice: ModelChoice | None = None,
    *,
    input_tokens: int = 1_000,
    output: int = 1_000,
    at: datetime | None = None,
) -> UUID:
    call_id = uuid7()
    holds.reserve(
        call_id=call_id,
        purpose="chat",
        choice=choice or make_choice(),
        input_tokens=input_tokens,
        max_output_tokens=output,
        at=at,
    )
    return call_id


def spent_and_held() -> tuple[Decimal, Decimal]:
    status = selectors.budget_status()
    return status.spent, status.held


def test_a_reservation_is_the_worst_case_and_settling_returns_the_rest() -> None:
    """B-03: what is spent equals the ledger to the last place."""
    call_id = reserve()
    assert spent_and_held() == (0, Decimal("0.01105"))
    holds.settle(call_id=call_id, usage=Usage(900, 100))
    assert spent_and_held() == (Decimal("0.0019"), 0)
    entry = UsageEntry.objects.get(call_id=call_id)
    assert (entry.cost, entry.overage, entry.confidence, entry.kind) == (
        Decimal("0.0019"),
        0,
        "exact",
        "charge",
    )
    assert selectors.spent_in(entry.budget_id) == selectors.budget_status().spent
    assert selectors.cost_of_call(call_id) == Decimal("0.0019")


def test_each_way_to_end_a_call_is_safe_to_repeat() -> None:
    """B-04: one ledger row per call, whatever is called twice."""
    settled, released = reserve(), reserve()
    for _ in range(3):
        holds.settle(call_id=settled, usage=Usage(10, 10))
        holds.release(call_id=released)
    holds.settle_interrupted(call_id=settled, text="late")
    holds.release(call_id=settled)
    holds.settle(call_id=released, usage=Usage(10, 10))
    assert UsageEntry.objects.filter(call_id=settled).count() == 1
    assert not UsageEntry.objects.filter(call_id=released).exists()
    assert spent_and_held() == (pricing.cost_of(PRICE, Usage(10, 10)), 0)


def let_expire(call_id: UUID) -> None:
    Hold.objects.filter(call_id=call_id).update(expires_at=timezone.now() - timedelta(minutes=1))


@pytest.mark.parametrize("settles_first", [True, False])
def test_settling_and_expiring_commute(settles_first: bool) -> None:
    """B-04: a late settlement corrects the estimate, an early one leaves nothing to estimate."""
    call_id = reserve()
    let_expire(call_id)
    if settles_first:
        holds.settle(call_id=call_id, usage=Usage(900, 100))
        assert not holds.expire(call_id=call_id)
    else:
        assert holds.expire(call_id=call_id)
        assert not holds.expire(call_id=call_id)
        assert spent_and_held() == (Decimal("0.01105"), 0)
        holds.settle(call_id=call_id, usage=Usage(900, 100))
    holds.settle(call_id=call_id, usage=Usage(900, 100))
    assert spent_and_held() == (Decimal("0.0019"), 0)
    assert selectors.cost_of_call(call_id) == Decimal("0.0019")
    assert UsageEntry.objects.filter(call_id=call_id, kind=EntryKind.CHARGE).count() == 1


def test_a_living_hold_does_not_expire() -> None:
    call_id = reserve()
    assert not holds.expire(call_id=call_id)
    assert spent_and_held()[1] > 0


def test_an_interrupted_call_pays_for_its_input_and_its_words() -> None:
    """B-04: never zero once dispatched, and marked as an estimate."""
    call_id = reserve(input_tokens=1_000)
    holds.settle_interrupted(call_id=call_id, text="one two three four")
    entry = UsageEntry.objects.get(call_id=call_id)
    assert entry.confidence == "estimated"
    assert entry.input_tokens == 1_000
    assert 3 <= entry.output_tokens <= 6
    silent = reserve(input_tokens=1_000)
    holds.settle_interrupted(call_id=silent, text="")
    assert selectors.cost_of_call(silent) == Decimal("0.001")


def test_usage_that_the_provider_did_not_report_is_marked() -> None:
    call_id = reserve()
    holds.settle(call_id=call_id, usage=Usage(5, 5, is_reported=False))
    assert UsageEntry.objects.get(call_id=call_id).confidence == "estimated"


def test_more_than_reserved_is_recorded_and_stops_the_next_call() -> None:
    """B-02: the ledger shows the overage, spending passes the limit by no more, the next call is refused."""
    budgets.set_limit(limit=Decimal("0.012"))
    call_id = reserve()
    holds.settle(call_id=call_id, usage=Usage(3_000, 1_000))
    entry = UsageEntry.objects.get(call_id=call_id)
    assert entry.cost == Decimal("0.013")
    assert entry.overage == Decimal("0.013") - Decimal("0.01105")
    assert spent_and_held() == (Decimal("0.013"), 0)
    with pytest.raises(OverBudget):
        reserve(output=1)


def test_over_budget_says_whose_and_until_when(in_tenant_a: TenantWithKey) -> None:
    """B-12: scope and reset time, in the organisation's own time zone."""
    Tenant.objects.filter(id=in_tenant_a.tenant.id).update(time_zone="Europe/Berlin")
    budgets.set_limit(limit=Decimal(0))
    with pytest.raises(OverBudget) as caught:
        reserve(at=datetime(2031, 10, 20, tzinfo=UTC))
    assert caught.value.status == 402
    assert caught.value.extra == {"scope": "tenant", "period": "month", "resets_at": "2031-10-31T23:00:00Z"}
    assert "1 November 2031 at 00:00 (Europe/Berlin)" in caught.value.detail
    assert not Hold.objects.exists()


def test_a_long_answer_is_shortened_before_a_call_is_refused() -> None:
    """The reservation is never smaller than what the call may cost: the answer gets shorter instead."""
    budgets.set_limit(limit=Decimal("0.005"))
    hold = holds.reserve(
        call_id=uuid7(), purpose="chat", choice=make_choice(), input_tokens=1_000, max_output_tokens=1_000
    )
    assert hold.max_output_tokens == 395
    assert hold.amount == Decimal("0.005")
    with pytest.raises(OverBudget):
        reserve(input_tokens=1)


def test_an_answer_is_not_shortened_to_uselessness() -> None:
    budgets.set_limit(limit=Decimal("0.0022"))
    with pytest.raises(OverBudget):
        reserve(input_tokens=1_000, output=1_000)
    assert spent_and_held() == (0, 0)
    # Whoever asks for little gets little.
    reserve(input_tokens=1_000, output=100)


def test_exactly_the_limit_fits_and_a_billionth_more_does_not() -> None:
    """B-01: the boundary itself."""
    choice = make_choice(price=Price(Decimal(0), Decimal(1_000_000)))
    budgets.set_limit(limit=Decimal(2))
    reserve(choice, output=1)
    reserve(choice, output=1)
    with pytest.raises(OverBudget):
        reserve(choice, output=1)
    assert spent_and_held() == (0, 2)


def test_an_unknown_price_is_refused() -> None:
    """B-08: no price, no call, even without a limit; the sentence says where to enter it."""
    with pytest.raises(Invalid, match="price of Test model is unknown"):
        reserve(make_choice(price=None))
    assert not Hold.objects.exists()


def test_free_models_work_when_nothing_is_left() -> None:
    budgets.set_limit(limit=Decimal(0))
    call_id = reserve(make_choice(price=FREE))
    holds.settle(call_id=call_id, usage=Usage(100, 100))
    assert selectors.cost_of_call(call_id) == 0
    assert spent_and_held() == (0, 0)


def test_a_price_change_does_not_reach_calls_under_way() -> None:
    """B-03: the price of the reservation is the price of the settlement."""
    choice = make_choice()
    call_id = reserve(choice)
    holds.settle(call_id=call_id, usage=Usage(1_000, 0))
    assert selectors.cost_of_call(call_id) == Decimal("0.001")


def test_a_new_month_starts_at_zero_with_the_same_limit() -> None:
    """B-08: calls of the old month are settled in the old month."""
    budgets.set_limit(limit=Decimal("0.02"))
    november = datetime(2031, 11, 30, 23, 59, tzinfo=UTC)
    old_call = reserve(at=november)
    with pytest.raises(OverBudget):
        reserve(at=november, input_tokens=20_000)
    new_call = reserve(at=november + timedelta(minutes=2))
    rows = {row.period_start.month: row for row in Budget.objects.filter(period_start__year=2031)}
    assert rows[12].limit == Decimal("0.02")
    holds.settle(call_id=old_call, usage=Usage(1_000, 1_000))
    rows = {row.period_start.month: row for row in Budget.objects.filter(period_start__year=2031)}
    assert (rows[11].spent, rows[11].held) == (Decimal("0.011"), 0)
    assert (rows[12].spent, rows[12].held) == (0, Decimal("0.01105"))
    holds.release(call_id=new_call)


def test_months_follow_each_organisations_time_zone(in_tenant_a: TenantWithKey) -> None:
    """B-08: one instant, two months."""
    instant = datetime(2031, 11, 30, 23, 30, tzinfo=UTC)
    Tenant.objects.filter(id=in_tenant_a.tenant.id).update(time_zone="Pacific/Pago_Pago")
    assert counters.open_month(at=instant).row.period_start.month == 11
    Tenant.objects.filter(id=in_tenant_a.tenant.id).update(time_zone="Pacific/Kiritimati")
    assert counters.open_month(at=instant).row.period_start.month == 12
    # Back again: the newer month stays open, so nobody gets the same month twice.
    Tenant.objects.filter(id=in_tenant_a.tenant.id).update(time_zone="Pacific/Pago_Pago")
    assert counters.open_month(at=instant).row.period_start.month == 12


def test_the_databases_clock_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """B-08: a web process whose clock is years ahead opens no future month."""
    counters.open_month()
    monkeypatch.setattr(timezone, "now", lambda: datetime(2099, 1, 1, tzinfo=UTC))
    counters.open_month()
    assert not Budget.objects.filter(period_start__year=2099).exists()


def test_a_lower_limit_counts_at_once_and_is_audited() -> None:
    from apps.tenants.models import AuditEvent

    call_id = reserve()
    budgets.set_limit(limit=Decimal("0.0001"))
    with pytest.raises(OverBudget):
        reserve()
    holds.settle(call_id=call_id, usage=Usage(1_000, 1_000))
    event = AuditEvent.objects.get(action="budget.limit_changed")
    assert (event.before, event.after) == ({"limit": None}, {"limit": "0.0001"})


@pytest.mark.parametrize("limit", [Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal(10**12)])
def test_limits_that_make_no_sense_are_refused(limit: Decimal) -> None:
    with pytest.raises(Invalid):
        budgets.set_limit(limit=limit)


def test_an_unreserved_call_cannot_be_settled() -> None:
    """B-10: money moves only for calls that passed the gate."""
    with pytest.raises(NotFound):
        holds.settle(call_id=uuid7(), usage=Usage(1, 1))


def test_a_call_id_pays_for_one_call_only() -> None:
    """B-04: the second reservation of one call breaks on the unique key."""
    call_id = reserve()
    with pytest.raises(IntegrityError), transaction.atomic():
        holds.reserve(call_id=call_id, purpose="chat", choice=make_choice(), input_tokens=1, max_output_tokens=1)
    assert spent_and_held()[1] == Decimal("0.01105")


def test_the_ledger_cannot_be_rewritten_by_the_application() -> None:
    """B-03: the role that serves requests has neither UPDATE nor DELETE on the ledger."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('gateway_usageentry', 'UPDATE'), "
            "has_table_privilege('gateway_usageentry', 'DELETE'), "
            "has_table_privilege('gateway_usageentry', 'INSERT')"
        )
        assert cursor.fetchone() == (False, False, True)


def test_the_ledger_has_one_line_for_each_dead_reservation() -> None:
    """B-04: what nobody settled is charged at its most, marked as unknown, once, and only where the time is up."""
    dead, living = reserve(), reserve()
    let_expire(dead)
    expire_holds.run()
    expire_holds.run()
    assert Hold.objects.get(call_id=dead).state == "expired"
    assert Hold.objects.get(call_id=living).state == "held"
    assert UsageEntry.objects.get(call_id=dead).confidence == "unknown"
    assert spent_and_held() == (Decimal("0.01105"), Decimal("0.01105"))
