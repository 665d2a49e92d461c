"""Usage: sums that are the same before and after they are rolled up, forecasts in words, bills that are compared."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.gateway import periods, reconciliation, selectors
from apps.gateway.contracts import Spender
from apps.gateway.forecast import forecast, sentence
from apps.gateway.models import UsageEntry, UsageHour, UsageMark
from apps.gateway.services import holds
from apps.gateway.services.rollups import roll_up
from apps.gateway.ui.usage import safe_cell
from apps.tenants.models import Tenant
from parley.db import uuid7
from parley.errors import Invalid
from parley.llm import Usage
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.gateway.choices import make_choice

ASSISTANT = UUID(int=1)


def summed(since: datetime, until: datetime, zone: str, by: Any = "model") -> list[tuple[Any, ...]]:
    found = selectors.sum_usage(since=since, until=until, time_zone=zone, by=by)
    return [(line.day, line.key, line.calls, line.output_tokens, line.cost) for line in found]


def lines_of_the_past(count: int, *, hours: int, zone: str) -> tuple[datetime, datetime]:
    """Ledger lines over the last hours, inserted as they would have been written then; the span that holds them."""
    budget_id = selectors.budget_clock().newest.id  # type: ignore[union-attr]
    now = selectors.budget_clock().now
    entries = [
        UsageEntry(
            call_id=uuid7(),
            budget_id=budget_id,
            purpose="chat" if number % 3 else "judge",
            model_id=ASSISTANT,
            model_label=f"Model {number % 2}",
            assistant_id=ASSISTANT if number % 2 else None,
            channel="widget" if number % 2 else "",
            input_tokens=1_000,
            output_tokens=number,
            cost=Decimal("0.000000001") * number,
            confidence="exact",
        )
        for number in range(count)
    ]
    for number, entry in enumerate(entries):
        entry.created_at = now - timedelta(hours=hours) * number / count
    field = UsageEntry._meta.get_field("created_at")
    field.auto_now_add = False
    try:
        UsageEntry.objects.bulk_create(entries)
    finally:
        field.auto_now_add = True
    first = periods.day_at(now - timedelta(hours=hours), zone).starts_at
    return first, now + timedelta(minutes=1)


@pytest.mark.usefixtures("in_tenant_a")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_sums_are_the_same_before_and_after_they_are_rolled_up(zone: str, in_tenant_a: TenantWithKey) -> None:
    """B-03: to the last billionth, in time zones that are not whole hours from UTC, and however often it runs."""
    Tenant.objects.filter(id=in_tenant_a.tenant.id).update(time_zone=zone)
    since, until = lines_of_the_past(200, hours=24 * 20, zone=zone)
    splits = ("model", "purpose", "assistant", "channel", "confidence")
    before = [summed(since, until, zone, by) for by in splits]
    assert sum(line[2] for line in before[0]) == 200
    roll_up()
    first = UsageHour.objects.count()
    roll_up()
    assert UsageHour.objects.count() == first > 100
    assert [summed(since, until, zone, by) for by in splits] == before
    mark = UsageMark.objects.get().rolled_until
    assert timedelta(hours=1) <= selectors.budget_clock().now - mark <= timedelta(hours=2, minutes=1)
    assert not UsageHour.objects.filter(hour__gte=mark).exists()


@pytest.mark.usefixtures("in_tenant_a")
def test_nothing_is_rolled_up_where_nothing_was_spent() -> None:
    assert roll_up() is None


# -- the forecast -----------------------------------------------------------------------


def test_a_forecast_says_how_sure_it_is() -> None:
    """Equal days leave no doubt; unequal ones give eight of ten outcomes of their sum."""
    sure = forecast(spent=Decimal(10), full_days=[Decimal(2)] * 5, days_left=Decimal(10))
    assert sure is not None
    assert (sure.low, sure.expected, sure.high) == (Decimal(30), Decimal(30), Decimal(30))
    unsure = forecast(spent=Decimal(10), full_days=[Decimal(1), Decimal(2), Decimal(3)], days_left=Decimal(9))
    assert unsure is not None
    assert (unsure.low, unsure.expected, unsure.high) == (Decimal("24.16"), Decimal(28), Decimal("31.84"))
    assert forecast(spent=Decimal(10), full_days=[Decimal(1)] * 2, days_left=Decimal(9)) is None


@pytest.mark.parametrize(
    ("limit", "words"),
    [(None, "eight times out of ten"), ("20", "very likely"), ("30", "may be reached"), ("40", "stays within")],
)
def test_a_forecast_in_words_names_the_limit(limit: str | None, words: str) -> None:
    found = forecast(spent=Decimal(10), full_days=[Decimal(1), Decimal(2), Decimal(3)], days_left=Decimal(9))
    assert words in sentence(found, until="November", limit=Decimal(limit) if limit else None)
    assert "Too early" in sentence(None, until="November", limit=None)


# -- the bill -----------------------------------------------------------------------------

BILL = """Date, Model, Amount
2026-11-03,gpt-4o-mini,1.00
2026-11-03,gpt-4o-mini,$0.50
2026-11-04,gpt-4o-mini,2
2026-11-04,unknown-model,"1,000.00"
"""


def test_a_bill_is_compared_day_by_day_and_model_by_model() -> None:
    day3, day4 = date(2026, 11, 3), date(2026, 11, 4)
    ledger = {
        (day3, "Small"): Decimal("1.495"),
        (day4, "Small"): Decimal("1.50"),
        (day4, "Local"): Decimal("0.30"),
        (date(2026, 11, 5), "Small"): Decimal(9),
    }
    found = reconciliation.compare(reconciliation.read_bill(BILL), ledger, names={"gpt-4o-mini": "Small"})
    assert [(line.day, line.model, line.amount) for line in found] == [
        (day4, "unknown-model", Decimal(1000)),
        (day4, "Small", Decimal("0.50")),
        (day4, "Local", Decimal("-0.30")),
        (day3, "Small", Decimal("0.005")),
    ]
    assert [line.is_tolerable for line in found] == [False, False, False, True]
    assert "nothing was recorded" in found[0].sentence
    assert "billed $0.50 more on 4 November 2026" in found[1].sentence
    assert "the bill does not have it" in found[2].sentence
    assert "agrees" in found[3].sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("day,model\n", "date, amount is missing"),
        ("date,model,amount\n2026-13-01,m,1\n", "Line 2 cannot be read"),
        ("date,model,amount\n2026-11-01,m,NaN\n", "Line 2"),
        ("date,model,amount\n2026-11-01,m\n", "Line 2"),
        ("date,model,amount\n", "no lines"),
    ],
)
def test_a_bill_that_cannot_be_read_says_where(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        reconciliation.read_bill(text)


# -- the pages ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True, databases=["default", "platform"])
def test_the_pages_and_the_api_show_the_same_numbers(tenant_a: TenantWithKey) -> None:
    """B-07: exact amounts in the streamed export, formulas disarmed, differences with the bill in sentences."""
    with tenant_tx(tenant_a.tenant.id):
        for label, output in (("=HYPERLINK(1)", 500), ("Small", 100)):
            call_id = uuid7()
            holds.reserve(
                call_id=call_id,
                purpose="chat",
                choice=make_choice(label=label),
                input_tokens=1_000,
                max_output_tokens=output,
                spender=Spender(None, "widget"),
            )
            holds.settle(call_id=call_id, usage=Usage(1_000, output, reasoning_tokens=10))
    client = Client()
    client.force_login(tenant_a.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    base = f"/t/{tenant_a.tenant.slug}/budgets/usage"
    shown = client.get(f"{base}/?by=channel").content.decode()
    assert "Widget" in shown
    assert "$0.008" in shown
    assert "Too early to say" in shown
    assert "Nothing was used" in client.get(f"{base}/?span=last").content.decode()
    assert "Nothing was used" in client.get(f"{base}/?purpose=judge").content.decode()
    exported = client.get(f"{base}.csv")
    assert exported.streaming
    rows = b"".join(exported.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert rows[0].startswith("day,assistant,channel,model,purpose,confidence,calls")
    assert rows[1].endswith(",,widget,'=HYPERLINK(1),chat,exact,1,1000,0,500,10,0.006000000")
    today = datetime.now(UTC).date().isoformat()
    bill = f"date,model,amount\n{today},Small,0.50\n"
    compared = client.post(f"{base}/bill/", {"pasted": bill}).content.decode()
    assert "Small was billed $0.50 more on" in compared
    assert (
        "Line 2 cannot be read" in client.post(f"{base}/bill/", {"pasted": bill.replace(today, "x")}).content.decode()
    )
    api = Client(headers=tenant_a.headers)
    (line,) = api.get("/api/v1/usage/summary/?by=channel").json()["results"]
    assert (line["key"], line["calls"], line["cost"]) == ("widget", 2, "0.008")
    answer = api.post("/api/v1/usage/reconciliation/", {"bill": bill}, content_type="application/json").json()
    assert answer["differences"][0]["difference"] == "0.498"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_run_as_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("gpt-4o") == "gpt-4o"
