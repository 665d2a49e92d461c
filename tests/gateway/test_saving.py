"""What is given up, step by step, while a budget runs low, before anything is refused."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from apps.gateway.contracts import FREE, Grade, Hold, ModelChoice, Price, ResolvedRoute, Spender
from apps.gateway.models import UsageEntry
from apps.gateway.selectors import list_limits
from apps.gateway.services import budgets, holds, saving
from parley.db import uuid7
from parley.errors import OverBudget
from parley.llm import ModelTarget, Usage
from tests.gateway.choices import make_choice

DEAR = make_choice(label="Large")
SMALL = make_choice(label="Small", price=Price(Decimal("0.1"), Decimal("0.4")))
LOCAL = make_choice(label="Local", price=FREE)
UNKNOWN = make_choice(label="Unknown", price=None)
QUOTES = make_choice(label="Quotes", price=FREE, target=ModelTarget(backend="extractive", model="extractive"))
STEPS = {"cheaper_at": 50, "shorter_at": 60, "cached_at": 70, "refuse_at": 80}


def labels(choices: list[ModelChoice]) -> list[str]:
    return [choice.label for choice in choices]


def test_the_cheapest_model_answers_first_and_quotes_stay_the_last_resort() -> None:
    route = [DEAR, UNKNOWN, SMALL, LOCAL, QUOTES]
    assert labels(saving.ordered(route, Grade.FULL)) == labels(route)
    assert labels(saving.ordered(route, Grade.CHEAPER)) == ["Local", "Small", "Large", "Unknown", "Quotes"]
    assert labels(saving.cheaper_than_first(route)) == ["Local", "Small", "Quotes"]
    assert labels(saving.cheaper_than_first([SMALL, DEAR])) == []
    resolved = ResolvedRoute("chat", (DEAR, SMALL))
    assert saving.route_for(resolved, Grade.FULL) is resolved
    assert saving.route_for(resolved, Grade.REFUSE).preferred is SMALL


def test_prompts_and_answers_become_shorter_from_the_second_step_on() -> None:
    assert [saving.context_percent(grade) for grade in Grade] == [100, 100, 50, 50, 50]
    assert saving.shorter(1_001, Grade.SHORTER) == 500


def reserve(*, cheaper: tuple[ModelChoice, ...] = (), visitor: UUID | None = None) -> Hold:
    spender = Spender(UUID(int=1), "widget", visitor)
    return holds.reserve(
        call_id=uuid7(),
        purpose="chat",
        choice=DEAR,
        input_tokens=1_000,
        max_output_tokens=1_000,
        spender=spender,
        cheaper=cheaper,
    )


@pytest.mark.usefixtures("in_tenant_a")
def test_each_step_begins_at_its_share_and_the_ledger_keeps_it() -> None:
    """The grade is what was used before the call, and the trace of an answer finds it beside its cost."""
    budgets.set_limit(limit=Decimal("0.0221"))
    budgets.update_limit(limit_id=list_limits().get().id, changes=STEPS)
    first, second = reserve(), reserve()
    assert (first.grade, second.grade) == (Grade.FULL, Grade.CHEAPER)
    holds.settle(call_id=second.call_id, usage=Usage(1_000, 100))
    assert UsageEntry.objects.get(call_id=second.call_id).grade == Grade.CHEAPER


@pytest.mark.usefixtures("in_tenant_a")
@pytest.mark.parametrize(
    ("limit", "grade"),
    [
        ("0.0221", Grade.CHEAPER),
        ("0.0180", Grade.SHORTER),
        ("0.0150", Grade.CACHED),
        ("0.0135", Grade.REFUSE),
    ],
)
def test_the_tightest_budget_decides(limit: str, grade: Grade) -> None:
    budgets.set_limit(limit=Decimal(100))
    budgets.create_limit(scope="assistant", period="month", limit=Decimal(limit), **STEPS)
    assert reserve().grade == Grade.FULL
    assert reserve().grade == grade


@pytest.mark.usefixtures("in_tenant_a")
def test_a_warning_line_saves_without_stopping() -> None:
    budgets.create_limit(scope="visitor", period="day", soft_limit=Decimal("0.01"), cheaper_at=100)
    visitor = UUID(int=9)
    assert [reserve(visitor=visitor).grade for _ in range(3)] == [Grade.FULL, Grade.CHEAPER, Grade.CHEAPER]
    assert reserve(visitor=UUID(int=8)).grade == Grade.FULL


@pytest.mark.usefixtures("in_tenant_a")
def test_a_cheaper_model_is_reserved_before_a_call_is_refused() -> None:
    """Only where a budget says so: elsewhere the owner's choice of model is kept, and the call refused."""
    budgets.set_limit(limit=Decimal("0.001"))
    with pytest.raises(OverBudget):
        reserve(cheaper=(SMALL,))
    budgets.update_limit(limit_id=list_limits().get().id, changes={"cheaper_at": 90})
    hold = reserve(cheaper=(SMALL, LOCAL))
    assert (hold.model_id, hold.grade) == (SMALL.model_id, Grade.CHEAPER)
    assert reserve(cheaper=(LOCAL,)).model_id == LOCAL.model_id
