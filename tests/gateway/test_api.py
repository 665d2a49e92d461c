"""The gateway's JSON addresses, as an outsider with a key meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.gateway.models import Provider, UsageEntry
from apps.gateway.services import holds
from parley.db import uuid7
from parley.llm import Usage
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider, choice_by_id

CANARY = "sk-canary-never-shown-9876"


class Api:
    """A client with one tenant's key."""

    def __init__(self, tenant: TenantWithKey) -> None:
        self.headers = tenant.headers
        self.client = Client()

    def __call__(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        response = self.client.generic(
            method,
            f"/api/v1/{path}",
            data="" if body is None else json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )
        assert response.status_code == expect, response.content
        assert CANARY.encode() not in response.content
        return json.loads(response.content) if response.content else None


@pytest.fixture
def api(tenant_a: TenantWithKey) -> Api:
    return Api(tenant_a)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def new_provider(api: Api, **fields: Any) -> Any:
    body = {"name": "House", "kind": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": CANARY, **fields}
    return api("POST", "providers/", body, expect=201)


def new_model(api: Api, provider: Any, **fields: Any) -> Any:
    body = {"provider_id": provider["id"], "name": "m", "context_tokens": 8000, "max_output_tokens": 1000, **fields}
    return api("POST", "models/", body, expect=201)


def test_a_new_tenant_has_working_models_and_routes(api: Api) -> None:
    """The built-in models come registered, free, and routed."""
    models = {model["name"]: model for model in api("GET", "models/")["results"]}
    assert {model["price"]["origin"] for model in models.values()} <= {"own", "free"}
    assert {model["price"]["input_per_million"] for model in models.values()} == {"0"}
    routes = {route["purpose"]: route for route in api("GET", "routes/")["results"]}
    assert set(routes) == {"chat", "embed", "judge"}
    assert routes["chat"]["model_ids"][-1] == models["extractive"]["id"]


def test_a_key_goes_in_and_never_comes_out(api: Api, tenant_a: TenantWithKey) -> None:
    """L-18: write-only in the API, not in the audit, encrypted in the row; `Api` looks for it in every answer."""
    provider = new_provider(api)
    assert provider["api_key"]["last4"] == CANARY[-4:]
    for method, path in (("GET", f"providers/{provider['id']}/"), ("GET", "providers/")):
        api(method, path)
    api("PATCH", f"providers/{provider['id']}/", {"name": "Renamed"})
    with tenant_tx(tenant_a.tenant.id):
        row = Provider.objects.get(id=provider["id"])
        assert row.api_key is not None
        assert CANARY not in row.api_key.stored
        assert CANARY not in repr(row.api_key) + str(row.api_key) + f"{row.api_key}"
        assert row.api_key.reveal() == CANARY
        from apps.tenants.models import AuditEvent

        events = AuditEvent.objects.filter(action__startswith="provider.")
        assert events.count() == 2
        assert all(CANARY not in json.dumps([event.before, event.after]) for event in events)


def test_a_key_does_not_move_to_another_address(api: Api) -> None:
    """L-18: whoever may edit a provider cannot have its key sent to a server of their own."""
    provider = new_provider(api)
    body = api("PATCH", f"providers/{provider['id']}/", {"base_url": "http://127.0.0.2:9/v1"}, expect=400)
    assert "api_key" in body["errors"]
    moved = api(
        "PATCH", f"providers/{provider['id']}/", {"base_url": "http://127.0.0.2:9/v1", "api_key": "sk-another-one-1"}
    )
    assert moved["base_url"] == "http://127.0.0.2:9/v1"
    assert api("PATCH", f"providers/{provider['id']}/", {"api_key": ""})["api_key"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
        ({"base_url": "ftp://models.example"}, "base_url"),
        ({"base_url": ""}, "base_url"),
        ({"kind": "local"}, "kind"),
        ({"api_key": "two words"}, "api_key"),
        ({"name": ""}, "name"),
        ({"kind": "litellm", "base_url": "", "litellm_provider": "anthropic", "api_key": ""}, "api_key"),
        ({"kind": "litellm", "base_url": "", "litellm_provider": "../x"}, "litellm_provider"),
    ],
)
def test_providers_that_cannot_work_are_refused_with_a_sentence(api: Api, change: dict[str, Any], field: str) -> None:
    body = {"name": "House", "kind": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": CANARY, **change}
    answer = api("POST", "providers/", body, expect=400)
    assert field in answer["errors"]


def test_private_addresses_are_refused_where_the_installation_says_so(api: Api, settings: Any) -> None:
    settings.PARLEY_ALLOW_PRIVATE_PROVIDERS = False
    body = {"name": "House", "kind": "openai", "base_url": "http://10.0.0.5:8000/v1", "api_key": CANARY}
    assert "private network" in api("POST", "providers/", body, expect=400)["errors"]["base_url"][0]


def test_names_are_unique_and_built_ins_are_fixed(api: Api) -> None:
    new_provider(api)
    api("POST", "providers/", {"name": "House", "kind": "openai", "base_url": "http://127.0.0.1:9/v1"}, expect=409)
    built_in = next(row for row in api("GET", "providers/")["results"] if row["is_built_in"])
    api("PATCH", f"providers/{built_in['id']}/", {"name": "Mine"}, expect=409)
    api("DELETE", f"providers/{built_in['id']}/", expect=409)
    model = api("GET", "models/")["results"][0]
    api("DELETE", f"models/{model['id']}/", expect=409)


def test_prices_are_decimal_strings_and_unknown_ones_are_named(api: Api) -> None:
    """B-07, B-08: no float on the wire; without a price the origin says unknown."""
    provider = new_provider(api)
    priced = new_model(api, provider, input_price="0.15", output_price="0.6")
    assert priced["price"] == {
        "origin": "own",
        "input_per_million": "0.15",
        "output_per_million": "0.6",
        "cached_input_per_million": None,
        "details": None,
    }
    unpriced = new_model(api, provider, name="n")
    assert unpriced["price"]["origin"] == "unknown"
    assert unpriced["price"]["input_per_million"] is None
    api("PATCH", f"models/{priced['id']}/", {"input_price": "-1"}, expect=400)
    api("PATCH", f"models/{priced['id']}/", {"input_price": None}, expect=400)
    cleared = api("PATCH", f"models/{priced['id']}/", {"input_price": None, "output_price": None})
    assert cleared["price"]["origin"] == "unknown"


def test_routes_take_models_in_order(api: Api) -> None:
    provider = new_provider(api)
    model = new_model(api, provider, input_price="1", output_price="1")
    routes = {route["purpose"]: route for route in api("GET", "routes/")["results"]}
    chat, embed, judge = routes["chat"], routes["embed"], routes["judge"]
    ids = [model["id"], *chat["model_ids"]]
    assert api("PUT", f"routes/{chat['id']}/", {"model_ids": ids})["model_ids"] == ids
    api("PUT", f"routes/{chat['id']}/", {"model_ids": [model["id"]] * 2}, expect=400)
    api("PUT", f"routes/{chat['id']}/", {"model_ids": [str(uuid7())]}, expect=400)
    api("PUT", f"routes/{embed['id']}/", {"model_ids": [model["id"]]}, expect=400)
    extractive = next(row for row in api("GET", "models/")["results"] if row["name"] == "extractive")
    api("PUT", f"routes/{judge['id']}/", {"model_ids": [extractive["id"]]}, expect=400)
    api("DELETE", f"models/{model['id']}/", expect=204)
    assert api("GET", f"routes/{chat['id']}/")["model_ids"] == chat["model_ids"]


def test_the_budget_is_read_and_limited(api: Api) -> None:
    """B-12: limit, spent, held and the reset time, as decimal strings."""
    (budget,) = api("GET", "budgets/")["results"]
    assert (budget["limit"], budget["spent"], budget["available"]) == (None, "0", None)
    changed = api("PATCH", f"budgets/{budget['id']}/", {"limit": "12.50"})
    assert (changed["limit"], changed["available"]) == ("12.5", "12.5")
    assert changed["resets_at"].endswith("Z")
    api("PATCH", f"budgets/{budget['id']}/", {"limit": "-1"}, expect=400)
    assert api("PATCH", f"budgets/{budget['id']}/", {"limit": None})["limit"] is None


def test_limits_of_parts_are_added_changed_and_removed(api: Api) -> None:
    body = {"scope": "visitor", "period": "day", "limit": "0.10", "cheaper_at": 50}
    limit = api("POST", "spending-limits/", body, expect=201)
    assert (limit["limit"], limit["cheaper_at"], limit["assistant_id"]) == ("0.1", 50, None)
    api("POST", "spending-limits/", body, expect=409)
    api("POST", "spending-limits/", {**body, "scope": "everybody"}, expect=400)
    path = f"spending-limits/{limit['id']}/"
    assert api("PATCH", path, {"limit": "0.2"})["limit"] == "0.2"
    assert api("GET", "spending-limits/")["results"] == [api("GET", path)]
    api("DELETE", path, expect=204)
    api("GET", path, expect=404)


def spend(tenant: TenantWithKey, count: int) -> None:
    with tenant_tx(tenant.tenant.id):
        choice = choice_by_id(add_model(add_provider()).id)
        for number in range(count):
            call_id = uuid7()
            purpose: Any = "judge" if number % 2 else "chat"
            holds.reserve(call_id=call_id, purpose=purpose, choice=choice, input_tokens=100, max_output_tokens=100)
            holds.settle(call_id=call_id, usage=Usage(100, 10 + number))


def test_the_ledger_is_paged_and_filtered(api: Api, tenant_a: TenantWithKey) -> None:
    spend(tenant_a, 5)
    first = api("GET", "usage/?limit=3")
    assert len(first["results"]) == 3
    assert first["results"][0]["cost"] == "0.00024"
    rest = api("GET", "usage/" + first["next"].partition("/usage/")[2])
    assert len(rest["results"]) == 2
    assert rest["next"] is None
    assert len(api("GET", "usage/?purpose=judge")["results"]) == 2
    assert api("GET", "usage/?since=2099-01-01T00:00:00Z")["results"] == []
    api("GET", "usage/?purpose=nonsense", expect=400)


@pytest.mark.django_db(transaction=True)
def test_another_tenant_finds_nothing(
    two_tenants: tuple[TenantWithKey, TenantWithKey],
) -> None:
    """T-07: each of these ids exists, for somebody else."""
    acme, birch = map(Api, two_tenants)
    provider = new_provider(acme)
    model = new_model(acme, provider, input_price="1", output_price="1")
    route = acme("GET", "routes/")["results"][0]
    budget = acme("GET", "budgets/")["results"][0]
    spend(two_tenants[0], 1)
    birch("GET", f"providers/{provider['id']}/", expect=404)
    birch("PATCH", f"providers/{provider['id']}/", {"name": "x"}, expect=404)
    birch("DELETE", f"providers/{provider['id']}/", expect=404)
    birch("POST", f"providers/{provider['id']}/check/", {}, expect=404)
    birch("PATCH", f"models/{model['id']}/", {"label": "x"}, expect=404)
    birch("PUT", f"routes/{route['id']}/", {"model_ids": []}, expect=404)
    birch("PATCH", f"budgets/{budget['id']}/", {"limit": "1"}, expect=404)
    body = {"provider_id": provider["id"], "name": "m", "context_tokens": 8000, "max_output_tokens": 1000}
    birch("POST", "models/", body, expect=404)
    own = birch("GET", "routes/")["results"][0]
    birch("PUT", f"routes/{own['id']}/", {"model_ids": [model["id"]]}, expect=400)
    assert birch("GET", "usage/")["results"] == []
    assert acme("GET", f"providers/{provider['id']}/")["name"] == "House"


@pytest.mark.django_db(transaction=True)
def test_a_key_is_tested_with_one_paid_word(fake: FakeProvider, tenant_a: TenantWithKey) -> None:
    """B-10: also the test of a key is reserved and settled; its result is a sentence and is remembered."""
    api = Api(tenant_a)
    provider = new_provider(api, base_url=fake.base_url)
    assert "Add a chat model first" in api("POST", f"providers/{provider['id']}/check/", {})["detail"]
    fake.script("m", Script(text="ready"))
    new_model(api, provider, input_price="1", output_price="1")
    outcome = api("POST", f"providers/{provider['id']}/check/", {})
    assert outcome["is_ok"], outcome
    assert api("GET", f"providers/{provider['id']}/")["last_check"]["is_ok"] is True
    with tenant_tx(tenant_a.tenant.id):
        assert UsageEntry.objects.get().cost > Decimal(0)
    fake.script("m", Script(fault="401"))
    outcome = api("POST", f"providers/{provider['id']}/check/", {})
    assert not outcome["is_ok"]
    assert "did not accept the key" in outcome["detail"]
