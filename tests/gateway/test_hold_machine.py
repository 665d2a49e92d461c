"""Random histories of calls, whose money must add up at every step."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.gateway import selectors
from apps.gateway.contracts import FREE, Price, Spender
from apps.gateway.models import Budget, Hold, SpendingLimit, UsageEntry
from apps.gateway.services import budgets, holds
from parley.db import uuid7
from parley.errors import OverBudget
from parley.llm import Usage
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice

tokens = st.integers(0, 3_000)
scopes = st.sampled_from(["tenant", "assistant", "channel", "visitor"])
ids = [UUID(int=number) for number in range(1, 3)]
spenders = st.builds(
    Spender,
    assistant_id=st.sampled_from([None, *ids]),
    channel=st.sampled_from(["", "widget", "public"]),
    visitor_id=st.sampled_from([None, *ids]),
)
usages = st.builds(Usage, tokens, tokens, st.integers(0, 500))


class Calls(RuleBasedStateMachine):
    """Reserve, settle (twice, late), abort, crash, sweep, changes of price and limits at
    every level of the hierarchy, new days and months."""

    calls: Bundle[UUID] = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.history = ExitStack()
        self.history.enter_context(transaction.atomic())
        self.tenant = ExitStack()
        self.tenant.enter_context(tenant_tx(make_tenant("Machine").id))
        self.now = datetime(2031, 1, 15, tzinfo=UTC)
        self.price = Price(Decimal("0.15"), Decimal("0.6"), Decimal("0.075"))

    def teardown(self) -> None:
        self.tenant.close()
        transaction.set_rollback(True)
        self.history.close()

    @rule(target=calls, input_tokens=tokens, output_tokens=tokens, is_free=st.booleans(), spender=spenders)
    def reserve(self, input_tokens: int, output_tokens: int, is_free: bool, spender: Spender) -> UUID:
        call_id = uuid7()
        try:
            holds.reserve(
                call_id=call_id,
                purpose="chat",
                choice=make_choice(price=FREE if is_free else self.price, max_output_tokens=10_000),
                input_tokens=input_tokens,
                max_output_tokens=output_tokens,
                spender=spender,
                at=self.now,
            )
        except OverBudget:
            assert not Hold.objects.filter(call_id=call_id).exists()
        else:
            hold = Hold.objects.get(call_id=call_id)
            touched = Budget.objects.filter(id__in=hold.counter_ids)
            assert hold.amount == 0 or all(row.limit is None or row.spent + row.held <= row.limit for row in touched)
        return call_id

    @rule(call_id=calls, usage=usages, times=st.integers(1, 2))
    def settle(self, call_id: UUID, usage: Usage, times: int) -> None:
        if Hold.objects.filter(call_id=call_id).exists():
            for _ in range(times):
                holds.settle(call_id=call_id, usage=usage)

    @rule(call_id=calls, text=st.sampled_from(["", "some words of an answer"]))
    def abort(self, call_id: UUID, text: str) -> None:
        if Hold.objects.filter(call_id=call_id).exists():
            holds.settle_interrupted(call_id=call_id, text=text)

    @rule(call_id=calls)
    def release(self, call_id: UUID) -> None:
        if Hold.objects.filter(call_id=call_id).exists():
            holds.release(call_id=call_id)

    @rule(call_id=calls)
    def crash_and_sweep(self, call_id: UUID) -> None:
        Hold.objects.filter(call_id=call_id).update(expires_at=timezone.now() - timedelta(minutes=1))
        if Hold.objects.filter(call_id=call_id).exists():
            holds.expire(call_id=call_id)

    @rule(rate=st.decimals(min_value=0, max_value=50, places=4))
    def change_price(self, rate: Decimal) -> None:
        self.price = Price(rate, rate * 4)

    @rule(limit=st.none() | st.decimals(min_value=0, max_value=1, places=9))
    def change_limit(self, limit: Decimal | None) -> None:
        budgets.set_limit(limit=limit)

    @rule(scope=scopes, period=st.sampled_from(["day", "month"]), limit=st.decimals(0, 1, places=9))
    def limit_a_part(self, scope: str, period: str, limit: Decimal) -> None:
        row = SpendingLimit.objects.filter(scope=scope, period=period, assistant_id=None).first()
        if row is None:
            budgets.create_limit(scope=scope, period=period, limit=limit)
        elif limit < Decimal("0.1"):
            budgets.delete_limit(limit_id=row.id)
        else:
            budgets.update_limit(limit_id=row.id, changes={"limit": limit})

    @rule()
    def begin_a_new_day(self) -> None:
        self.now += timedelta(days=1)

    @rule()
    def begin_a_new_month(self) -> None:
        self.now += timedelta(days=31)

    @invariant()
    def counters_equal_the_ledger_and_the_open_holds(self) -> None:
        for budget in Budget.objects.all():
            mine = Q(budget=budget) | Q(budget_ids__contains=[budget.id])
            held = Hold.objects.filter(mine, state="held").aggregate(sum=Sum("amount"))["sum"]
            assert budget.spent == selectors.spent_in(budget.id)
            assert budget.held == (held or 0)

    @invariant()
    def every_closed_call_that_was_dispatched_has_one_charge(self) -> None:
        charged = UsageEntry.objects.filter(kind="charge").values_list("call_id", flat=True)
        closed = Hold.objects.filter(state__in=["settled", "expired"]).values_list("call_id", flat=True)
        assert sorted(charged) == sorted(closed)


@pytest.mark.django_db
def test_money_adds_up_in_every_history() -> None:
    """B-03: sum of the ledger = counter, in decimals, after every step of random histories, at
    every level of the hierarchy."""
    run_state_machine_as_test(
        Calls,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
