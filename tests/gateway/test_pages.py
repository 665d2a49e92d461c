"""The pages of models and budgets, in a browser without script."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.gateway import selectors
from apps.gateway.contracts import Spender
from apps.gateway.models import Model, Provider, Route, SpendingLimit
from apps.gateway.services import budgets, holds
from parley.db import uuid7
from parley.llm import Usage
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider, choice_by_id, make_choice

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])
CANARY = "sk-canary-never-shown-9876"


class Pages:
    """A signed-in person's browser."""

    def __init__(self, user: Any, slug: str) -> None:
        self.client = Client()
        self.client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        self.slug = slug

    def url(self, name: str, **kwargs: Any) -> str:
        return reverse(f"gateway:{name}", kwargs={"tenant_slug": self.slug, **kwargs})

    def get(self, name: str, query: str = "", *, expect: int = 200, **kwargs: Any) -> str:
        response = self.client.get(self.url(name, **kwargs) + query)
        assert response.status_code == expect, response.content[:2000]
        text: str = response.content.decode()
        assert CANARY not in text
        return text

    def post(self, name: str, data: dict[str, Any], query: str = "", *, expect: int = 302, **kwargs: Any) -> str:
        response = self.client.post(self.url(name, **kwargs) + query, data)
        assert response.status_code == expect, response.content.decode()[:3000]
        text: str = response.content.decode()
        assert CANARY not in text
        return text


@pytest.fixture
def pages(tenant_a: TenantWithKey) -> Pages:
    return Pages(tenant_a.owner, tenant_a.tenant.slug)


@pytest.fixture
def viewer(tenant_a: TenantWithKey) -> Pages:
    return Pages(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"), tenant_a.tenant.slug)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def test_a_person_adds_a_provider_a_model_and_it_answers_first(pages: Pages, tenant_a: TenantWithKey) -> None:
    """The way from nothing to a priced model at the head of the route has no dead end."""
    assert "Everything here runs on this machine" in pages.get("model_list")
    assert "Anthropic" in pages.get("provider_create")
    form = pages.get("provider_create", "?preset=own")
    assert 'name="base_url"' in form
    assert 'name="litellm_provider"' not in form
    pages.post(
        "provider_create",
        {"name": "House", "base_url": "http://127.0.0.1:9/v1", "api_key": CANARY},
        "?preset=own",
    )
    with tenant_tx(tenant_a.tenant.id):
        provider = Provider.objects.get(name="House")
    model_fields = {
        "name": "m-1",
        "context_tokens": "8000",
        "max_output_tokens": "1000",
        "input_price": "0.15",
        "output_price": "0.6",
        "answers_first": "on",
    }
    pages.post("model_create", model_fields, f"?provider={provider.id}")
    listed = pages.get("model_list")
    assert "m-1" in listed
    assert "••••9876" in listed
    assert "$0.15" in listed
    with tenant_tx(tenant_a.tenant.id):
        assert selectors.resolve_route(purpose="chat").preferred.label == "m-1"
        model = Model.objects.get(name="m-1")
    pages.get("model_edit", model_id=model.id)
    pages.get("provider_edit", provider_id=provider.id)
    pages.post("model_delete", {}, model_id=model.id)
    pages.post("provider_delete", {}, provider_id=provider.id)
    assert "House was removed" in pages.get("model_list")
    assert "House" not in pages.get("model_list")


def test_mistakes_come_back_beside_their_fields(pages: Pages) -> None:
    answer = pages.post(
        "provider_create",
        {"name": "House", "base_url": "http://169.254.169.254/v1", "api_key": CANARY},
        "?preset=own",
        expect=422,
    )
    assert "cannot be a model provider" in answer
    assert 'value="House"' in answer


def test_a_model_without_a_price_says_so(pages: Pages, tenant_a: TenantWithKey) -> None:
    """B-08: people see why it is not called, and where to help."""
    with tenant_tx(tenant_a.tenant.id):
        model = add_model(add_provider(), input_price=None, output_price=None)
    assert "Needs a price" in pages.get("model_list")
    assert "This model has no price" in pages.get("model_edit", model_id=model.id)


def test_a_route_is_ordered_without_script(pages: Pages, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        model = add_model(add_provider(), label="Mine")
        chat = Route.objects.get(purpose="chat")
        before = list(chat.choices.values_list("model_id", flat=True))
    assert "Mine" in pages.get("route_edit", route_id=chat.id)
    places = {"place_0": str(model.id), "place_1": "", "place_2": str(before[-1])}
    pages.post("route_edit", places, route_id=chat.id)
    with tenant_tx(tenant_a.tenant.id):
        assert list(chat.choices.values_list("model_id", flat=True)) == [model.id, before[-1]]
    answer = pages.post(
        "route_edit", {"place_0": str(model.id), "place_1": str(model.id)}, expect=422, route_id=chat.id
    )
    assert "only once" in answer


def spend(tenant: TenantWithKey) -> None:
    with tenant_tx(tenant.tenant.id):
        choice = choice_by_id(add_model(add_provider(), label="=HYPERLINK(1)").id)
        for purpose in ("chat", "judge"):
            call_id = uuid7()
            holds.reserve(
                call_id=call_id,
                purpose=purpose,  # type: ignore[arg-type]
                choice=choice,
                input_tokens=1_000,
                max_output_tokens=1_000,
            )
            holds.settle(call_id=call_id, usage=Usage(1_000, 500))


def test_spending_is_shown_against_the_limit(pages: Pages, tenant_a: TenantWithKey) -> None:
    """B-12: limit, what is spent and reserved, the reset, and a warning when it is used up."""
    assert "Nothing was used in this period" in pages.get("usage_list")
    assert "No limit is set" in pages.get("budget_list")
    spend(tenant_a)
    pages.post("budget_edit", {"limit": "0.012"})
    full = pages.get("budget_list")
    assert "The budget for this month is used up" in full
    assert "$0.012" in full
    assert "=HYPERLINK(1)" in pages.get("usage_list")
    assert "Judging</th>" in pages.get("usage_list", "?by=purpose")
    assert "Judging</th>" not in pages.get("usage_list", "?by=purpose&purpose=chat")
    assert "from 0 to 999,999,999" in pages.post("budget_edit", {"limit": "999999999.5"}, expect=422)
    pages.post("budget_edit", {"limit": ""})
    with tenant_tx(tenant_a.tenant.id):
        assert selectors.budget_status().limit is None


def test_a_limit_of_a_part_is_added_shown_changed_and_removed(pages: Pages, tenant_a: TenantWithKey) -> None:
    assert "nobody can use up the month alone" in pages.get("budget_list")
    assert "Each assistant" in pages.get("limit_create")
    wrong = {"scope": "visitor", "period": "day", "limit": "1", "cheaper_at": "90", "shorter_at": "80"}
    assert "or at a larger one" in pages.post("limit_create", wrong, expect=422)
    pages.post("limit_create", {**wrong, "shorter_at": "95"})
    with tenant_tx(tenant_a.tenant.id):
        limit = SpendingLimit.objects.get()
        holds.reserve(
            call_id=uuid7(),
            purpose="chat",
            choice=make_choice(),
            input_tokens=1_000,
            max_output_tokens=1_000,
            spender=Spender(uuid7(), "widget", uuid7()),
        )
    shown = pages.get("budget_list")
    assert "Each visitor, by day" in shown
    assert "shorter prompts 95 %" in shown
    assert "$0.011 of $1.00" in shown
    assert "the one that used most" in shown
    pages.post("limit_edit", {"limit": "2"}, limit_id=limit.id)
    with tenant_tx(tenant_a.tenant.id):
        limit.refresh_from_db()
        assert (limit.limit, limit.cheaper_at) == (Decimal(2), None)
    pages.post("limit_delete", {}, limit_id=limit.id)
    assert "nobody can use up the month alone" in pages.get("budget_list")


def test_viewers_read_and_change_nothing(viewer: Pages, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        provider = add_provider()
    listed = viewer.get("model_list")
    assert "Add provider" not in listed
    assert "Test this key" not in listed
    assert "Set a limit" not in viewer.get("budget_list")
    viewer.get("provider_create", expect=403)
    viewer.post("provider_delete", {}, expect=403, provider_id=provider.id)
    viewer.post("budget_edit", {"limit": "1"}, expect=403)


def test_strangers_find_nothing(two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    """T-07: another organisation's pages and rows do not exist."""
    acme, birch = two_tenants
    with tenant_tx(acme.tenant.id):
        provider = add_provider()
        model = add_model(provider)
        route = Route.objects.get(purpose="chat")
    Pages(birch.owner, acme.tenant.slug).get("model_list", expect=404)
    own = Pages(birch.owner, birch.tenant.slug)
    own.get("provider_edit", expect=404, provider_id=provider.id)
    own.get("model_edit", expect=404, model_id=model.id)
    own.get("route_edit", expect=404, route_id=route.id)
    own.post("model_delete", {}, expect=404, model_id=model.id)


@pytest.mark.parametrize("count", [1, 3])
def test_the_lists_take_the_same_queries_for_one_row_and_for_many(
    count: int, pages: Pages, tenant_a: TenantWithKey, django_assert_max_num_queries: Any
) -> None:
    with tenant_tx(tenant_a.tenant.id):
        for number in range(count):
            add_model(add_provider(f"Provider {number}"))
        budgets.set_limit(limit=Decimal(5))
    pages.get("model_list")
    with django_assert_max_num_queries(14):
        pages.get("model_list")
    with django_assert_max_num_queries(12):
        pages.get("budget_list")


@pytest.mark.django_db(transaction=True)
def test_a_key_is_tested_from_the_page(tenant_a: TenantWithKey, fake: FakeProvider) -> None:
    """The button answers with a sentence, with script as a fragment and without it after a redirect."""
    pages = Pages(tenant_a.owner, tenant_a.tenant.slug)
    fake.script("m", [Script(text="ready"), Script(fault="401")])
    with tenant_tx(tenant_a.tenant.id):
        provider = add_provider(base_url=fake.base_url)
        add_model(provider, "m")
    url = pages.url("provider_check", provider_id=provider.id)
    fragment = pages.client.post(url, headers={"HX-Request": "true"}).content.decode()
    assert "Works" in fragment
    assert "<html" not in fragment
    assert "did not accept the key" in pages.client.post(url, follow=True).content.decode()


def test_the_dashboard_shows_spending_and_warns(pages: Pages, tenant_a: TenantWithKey) -> None:
    """B-12: a sentence at 80 % and one at the end, where people start their day."""

    def dashboard() -> str:
        return pages.client.get(f"/t/{pages.slug}/").content.decode()

    spend(tenant_a)
    assert "Spent this month" in dashboard()
    pages.post("budget_edit", {"limit": "0.014"})
    assert "More than 80 %" in dashboard()
    pages.post("budget_edit", {"limit": "0.012"})
    assert "only free models answer" in dashboard()


@pytest.mark.parametrize("kind", ["embed", "rerank"])
def test_models_that_do_not_write_are_added_and_changed_with_one_price(
    pages: Pages, tenant_a: TenantWithKey, kind: str
) -> None:
    """They never answer, whatever box was ticked, and their output costs nothing."""
    with tenant_tx(tenant_a.tenant.id):
        provider = add_provider()
    fields = {"name": "small-vectors", "kind": kind, "input_price": "0.02", "answers_first": "on"}
    pages.post("model_create", fields, f"?provider={provider.id}")
    with tenant_tx(tenant_a.tenant.id):
        model = Model.objects.get(name="small-vectors")
        assert (model.kind, model.max_output_tokens, model.output_price) == (kind, 0, Decimal(0))
        assert not Route.objects.get(purpose="chat").choices.filter(model=model).exists()
    shown = pages.get("model_edit", model_id=model.id)
    assert "Longest answer" not in shown
    changed = {
        "name": "small-vectors",
        "label": "Small",
        "context_tokens": "512",
        "input_price": "0.03",
        "is_enabled": "on",
    }
    pages.post("model_edit", changed, model_id=model.id)
    with tenant_tx(tenant_a.tenant.id):
        model.refresh_from_db()
        assert (model.input_price, model.output_price, model.is_enabled) == (Decimal("0.03"), Decimal(0), True)
