"""What reserving money adds to the way of a message: statements, and nothing for what is not in use."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.gateway.contracts import Spender
from apps.gateway.services import budgets, holds, rates
from parley.db import uuid7
from tests.gateway.choices import make_choice

pytestmark = pytest.mark.usefixtures("in_tenant_a")
WIDGET = Spender(UUID(int=1), "widget", UUID(int=2))


def statements() -> int:
    """Of one reservation, the counters being there already."""
    found = []
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as captured:
            holds.reserve(
                call_id=uuid7(),
                purpose="chat",
                choice=make_choice(),
                input_tokens=10,
                max_output_tokens=10,
                spender=WIDGET,
                is_new_answer=True,
            )
        found.append(len(captured))
    return found[-1]


def test_reserving_costs_one_read_and_one_write_and_one_more_for_limits_of_parts() -> None:
    """B-11: the benchmark `budget.hold_p50` says how long they take; here is why it stays so."""
    budgets.set_limit(limit=Decimal(100))
    assert statements() == 2
    for scope in ("assistant", "channel", "visitor"):
        budgets.create_limit(scope=scope, period="day", limit=Decimal(10), cheaper_at=80)
        assert statements() == 3
    rates.set_rate_limit(scope="visitor", requests_per_minute=1_000, tokens_per_minute=None, concurrent=None)
    assert statements() == 3
