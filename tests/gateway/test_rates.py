"""Rate limits: in a minute and at once, for an organisation, a key and a visitor, and fair between organisations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from apps.gateway.contracts import FREE, Spender
from apps.gateway.hierarchy import Rate
from apps.gateway.models import Hold
from apps.gateway.services import holds, rates
from parley.db import uuid7
from parley.errors import Invalid, TooMany
from tests.fixtures import TenantWithKey
from tests.gateway.choices import make_choice

NOON = 1_800_000_000 - 1_800_000_000 % 60
VISITOR, OTHER, KEY = (UUID(int=number) for number in range(1, 4))
WIDGET = Spender(UUID(int=9), "widget", VISITOR)


def refused(limit: Rate, spender: Spender, now: int, *, tokens: int = 1) -> int:
    """Seconds to wait, 0 when there is room."""
    try:
        rates.require_room([limit], spender, tokens=tokens, now=now)
    except TooMany as problem:
        return int(problem.extra["retry_after"])
    return 0


@pytest.mark.usefixtures("in_tenant_a")
def test_a_minute_slides_and_says_how_long_to_wait() -> None:
    """Refused requests are not counted, and after the time that was named there is room."""
    limit = Rate("visitor", 3, None, None)
    assert [refused(limit, WIDGET, NOON + second) for second in (0, 1, 2)] == [0, 0, 0]
    wait = refused(limit, WIDGET, NOON + 10)
    assert 50 < wait <= 70
    assert refused(limit, WIDGET, NOON + 10) == wait
    assert refused(limit, WIDGET, NOON + 10 + wait - 2) > 0
    assert refused(limit, WIDGET, NOON + 10 + wait) == 0
    assert refused(limit, Spender(UUID(int=9), "widget", OTHER), NOON + 10) == 0
    assert refused(limit, Spender(api_key_id=KEY), NOON + 10) == 0


@pytest.mark.usefixtures("in_tenant_a")
def test_tokens_are_counted_and_one_large_answer_passes_once() -> None:
    limit = Rate("key", None, 1_000, None)
    spender = Spender(api_key_id=KEY)
    assert refused(limit, spender, NOON, tokens=5_000) == 0
    assert refused(limit, spender, NOON + 1, tokens=1) > 0


def reserve(spender: Spender, *, is_new: bool = True, purpose: Any = "chat") -> UUID:
    call_id = uuid7()
    holds.reserve(
        call_id=call_id,
        purpose=purpose,
        choice=make_choice(price=FREE),
        input_tokens=10,
        max_output_tokens=10,
        spender=spender,
        is_new_answer=is_new,
    )
    return call_id


@pytest.mark.usefixtures("in_tenant_a")
def test_answers_at_the_same_time_are_counted_by_their_reservations() -> None:
    """The place is free again as soon as an answer has ended; repeats and searches take none."""
    rates.set_rate_limit(scope="visitor", requests_per_minute=None, tokens_per_minute=None, concurrent=2)
    reserve(WIDGET)
    reserve(WIDGET)
    with pytest.raises(TooMany, match="2 answers"):
        reserve(WIDGET)
    reserve(WIDGET, is_new=False)
    reserve(WIDGET, is_new=False, purpose="embed")
    reserve(Spender(UUID(int=9), "widget", OTHER))
    for call_id in Hold.objects.filter(visitor_id=VISITOR, purpose="chat").values_list("call_id", flat=True):
        holds.release(call_id=call_id)
    reserve(WIDGET)


def test_no_organisation_has_more_than_its_share(settings: Any) -> None:
    """Fair between tenants: the operator's share caps what an organisation allows itself."""
    settings.PARLEY_TENANT_CONCURRENT = 0
    assert rates.with_fair_share([]) == []
    settings.PARLEY_TENANT_CONCURRENT = 20
    assert rates.with_fair_share([]) == [Rate("tenant", None, None, 20)]
    own, visitor = Rate("tenant", 5, None, 50), Rate("visitor", 1, None, None)
    assert rates.with_fair_share([visitor, own]) == [Rate("tenant", 5, None, 20), visitor]
    assert rates.with_fair_share([Rate("tenant", None, None, 3)])[0].concurrent == 3


@pytest.mark.usefixtures("in_tenant_a")
def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(Invalid):
        rates.set_rate_limit(scope="tenant", requests_per_minute=0, tokens_per_minute=None, concurrent=None)


@pytest.mark.django_db(transaction=True, databases=["default", "platform"])
def test_the_page_and_the_api_change_the_same_limits(tenant_a: TenantWithKey) -> None:
    client = Client()
    client.force_login(tenant_a.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    base = f"/t/{tenant_a.tenant.slug}/budgets/rates/"
    assert client.post(f"{base}key/", {"key-requests_per_minute": "7"}).status_code == 302
    assert client.post(f"{base}key/", {"key-requests_per_minute": "0"}).status_code == 422
    assert client.post(f"{base}everybody/", {}).status_code == 404
    assert 'value="7"' in client.get(base).content.decode()
    api = Client(headers=tenant_a.headers)
    (limit,) = api.get("/api/v1/rate-limits/").json()["results"]
    assert limit == {"scope": "key", "requests_per_minute": 7, "tokens_per_minute": None, "concurrent": None}
    body = {"scope": "visitor", "concurrent": 2}
    assert api.put("/api/v1/rate-limits/", body, content_type="application/json").json()["concurrent"] == 2
