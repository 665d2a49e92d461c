"""Routes that assistants name instead of a model: kept, decided, shown, through every door."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.assistants import selectors as assistants
from apps.assistants.services import versions
from apps.assistants.services.assistants import create_assistant, update_draft
from apps.gateway import selectors
from apps.gateway.contracts import Asked
from apps.gateway.models import Model, Route
from apps.gateway.services import budgets, models, routes
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider
from tests.gateway.test_api import Api
from tests.gateway.test_pages import Pages, viewer

__all__ = ["viewer"]

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

LONG = {"kind": "length", "comparison": "at_least", "characters": 100}


@pytest.fixture
def pages(tenant_a: TenantWithKey) -> Pages:
    return Pages(tenant_a.owner, tenant_a.tenant.slug)


class House:
    """An organisation with a small and a large model and a route over them."""

    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        with tenant_tx(tenant_id):
            provider = add_provider()
            self.small, self.large = add_model(provider, "small"), add_model(provider, "large")
            self.route = routes.create_route(name="Support", model_ids=[self.small.id])

    def rule(self, name: str = "Long ones", *when: dict[str, Any], to: Model | None = None) -> dict[str, Any]:
        target = {"model_id": str((to or self.large).id), "weight": 1}
        return {"name": name, "when": list(when) or [LONG], "targets": [target]}

    def answers(self, text: str, **fields: Any) -> list[str]:
        with tenant_tx(self.tenant_id):
            asked = Asked(text, fields.pop("conversation_id", None))
            route = selectors.resolve_route(purpose="chat", asked=asked, route_id=self.route.id, **fields)
            return [choice.label for choice in route.choices]


@pytest.fixture
def house(tenant_a: TenantWithKey) -> House:
    return House(tenant_a.tenant.id)


def test_rules_choose_who_is_asked_first_and_the_chain_stands_behind(house: House) -> None:
    with tenant_tx(house.tenant_id):
        routes.set_rules(route_id=house.route.id, rules=[house.rule()])
    assert house.answers("Short") == ["small", "Quotes from the sources"]
    assert house.answers("x" * 100) == ["large", "small", "Quotes from the sources"]
    # A model that was pinned, or that is switched off, is not chosen by a rule.
    assert house.answers("x" * 100, model_id=house.small.id)[0] == "small"
    with tenant_tx(house.tenant_id):
        models.update_model(model_id=house.large.id, changes={"is_enabled": False})
    assert house.answers("x" * 100) == ["small", "Quotes from the sources"]


def test_rules_of_the_default_route_decide_for_assistants_that_name_nothing(house: House) -> None:
    with tenant_tx(house.tenant_id):
        default = Route.objects.get(purpose="chat", name="")
        routes.set_route(route_id=default.id, model_ids=[house.small.id])
        routes.set_rules(route_id=default.id, rules=[house.rule()])
        resolved = selectors.resolve_route(purpose="chat", asked=Asked("x" * 100))
    assert resolved.preferred.label == "large"
    assert resolved.reason == "Rule “Long ones”: It has 100 characters."


def test_a_budget_rule_reads_what_is_left(house: House) -> None:
    almost = {"kind": "budget", "comparison": "at_most", "percent": 50}
    with tenant_tx(house.tenant_id):
        routes.set_rules(route_id=house.route.id, rules=[house.rule("Thrift", almost)])
        budgets.set_limit(limit=Decimal(10))
    assert house.answers("Hello")[0] == "small"
    with tenant_tx(house.tenant_id):
        budgets.set_limit(limit=Decimal(0))
    assert house.answers("Hello")[0] == "large"


def test_a_removed_route_leaves_nobody_without_an_answer(house: House) -> None:
    with tenant_tx(house.tenant_id):
        routes.delete_route(route_id=house.route.id)
        default = Route.objects.get(purpose="chat", name="")
        with pytest.raises(Conflict):
            routes.delete_route(route_id=default.id)
    assert house.answers("Hello")[-1] == "Quotes from the sources"


def test_an_assistant_names_a_route_or_a_model(house: House) -> None:
    with tenant_tx(house.tenant_id):
        assistant = create_assistant(name="Help", instructions="Be brief.", route_id=house.route.id)
        version = versions.publish(assistant_id=assistant.id)
        spec = assistants.get_version_spec(version.id)
        assert (spec.route_id, spec.model_id) == (house.route.id, None)
        pinned = update_draft(assistant_id=assistant.id, model_id=house.large.id)
        assert (pinned.route_id, pinned.model_id) == (None, house.large.id)
        back = update_draft(assistant_id=assistant.id, route_id=house.route.id)
        assert (back.route_id, back.model_id) == (house.route.id, None)
        with pytest.raises(Invalid, match="not valid"):
            update_draft(assistant_id=assistant.id, route_id=house.small.id)


def test_a_route_is_refused_with_a_sentence(house: House) -> None:
    with tenant_tx(house.tenant_id):
        for name, ids in (("", [house.small.id]), ("x" * 81, [house.small.id]), ("Other", [])):
            with pytest.raises(Invalid):
                routes.create_route(name=name, model_ids=ids)
        with pytest.raises(Conflict, match="Support"):
            routes.create_route(name=" Support ", model_ids=[house.small.id])
        stranger = {**house.rule(), "targets": [{"model_id": str(house.route.id)}]}
        with pytest.raises(Invalid, match="does not exist"):
            routes.set_rules(route_id=house.route.id, rules=[stranger])
        with pytest.raises(Invalid, match="at least one model"):
            routes.set_route(route_id=house.route.id, model_ids=[])
        judge = Route.objects.get(purpose="judge")
        with pytest.raises(Invalid, match="always use the same"):
            routes.set_rules(route_id=judge.id, rules=[house.rule()])
        with pytest.raises(NotFound):
            routes.move_rule(route_id=house.route.id, rule_id="0" * 32, by=1)


def test_the_api_keeps_a_route_and_tries_a_message(house: House, tenant_a: TenantWithKey) -> None:
    api = Api(tenant_a)
    new = {"name": "Cheap", "model_ids": [str(house.small.id)], "rules": [house.rule()]}
    body = api("POST", "routes/", new, expect=201)
    assert body["rules"][0]["sentence"] == "If the message has at least 100 characters"
    address = f"routes/{body['id']}/"
    # What was read can be sent back.
    assert api("PATCH", address, {"rules": body["rules"]})["rules"] == body["rules"]
    changed = api("PATCH", address, {"policy": {"fallback_on": ["timeout"], "hedge_after_ms": 300}})
    assert changed["policy"] == {"fallback_on": ["timeout"], "continues_answers": True, "hedge_after_ms": 300}
    tried = api("POST", f"{address}dry-run/", {"message": "Hello"})
    assert tried["rule_id"] is None
    assert [model["label"] for model in tried["models"]] == ["small"]
    assert tried["considered"][0]["outcome"] == "lost"
    assert "5 characters" in tried["considered"][0]["reason"]
    won = api("POST", f"{address}dry-run/", {"message": "x" * 100})
    assert [model["label"] for model in won["models"]] == ["large", "small"]
    refused = api("PATCH", address, {"rules": [{"name": "x"}]}, expect=400)
    assert refused["errors"]["rules"] == ["Rule 1: Choose 1 to 8 models that the rule leads to."]
    named = api("POST", "assistants/", {"name": "Help", "instructions": "Be brief.", "route": "Cheap"}, expect=201)
    assert api("GET", f"assistants/{named['id']}/draft/")["route"] == body["id"]
    api("DELETE", address, expect=204)
    assert api("GET", f"assistants/{named['id']}/draft/")["route"] is None


def test_a_person_makes_a_rule_moves_it_and_tries_a_message(pages: Pages, house: House) -> None:
    """Forms only: everything works without script."""
    pages.get("route_create")
    pages.post("route_create", {"name": "Night", "model_id": house.small.id})
    with tenant_tx(house.tenant_id):
        route = Route.objects.get(name="Night")
    assert "No rules" in pages.get("route_edit", route_id=route.id)
    pages.get("rule_create", route_id=route.id)
    first = {"name": "Refunds", "is_enabled": "on", "keywords": "refund, money back", "target_0": house.large.id}
    pages.post("rule_create", first, route_id=route.id)
    second = {
        "name": "Long",
        "is_enabled": "on",
        "length_comparison": "at_least",
        "length_characters": "200",
        "target_0": house.small.id,
        "weight_0": "3",
        "target_1": house.large.id,
        "weight_1": "1",
    }
    pages.post("rule_create", second, route_id=route.id)
    page = pages.get("route_edit", route_id=route.id)
    assert "If the message holds “refund” or “money back”" in page
    assert "(75 %)" in page
    with tenant_tx(house.tenant_id):
        _refunds, long = Route.objects.get(id=route.id).rules
    pages.post("rule_move", {"to": "up"}, route_id=route.id, rule_id=long["id"])
    with tenant_tx(house.tenant_id):
        assert [rule["name"] for rule in Route.objects.get(id=route.id).rules] == ["Long", "Refunds"]
    tried = pages.post("route_dry_run", {"message": "A refund, please"}, route_id=route.id, expect=200)
    assert "<strong>large</strong> would answer, then small if it fails" in tried
    assert "but it has 16 characters." in tried
    broken = pages.post("rule_create", {"name": "x", "length_comparison": "at_least"}, route_id=route.id, expect=422)
    assert "Enter a number, or choose “No matter”." in broken
    policy = {"part": "policy", "fallback_on": ["timeout", "error"], "hedge_after_ms": "500"}
    pages.post("route_edit", policy, route_id=route.id)
    with tenant_tx(house.tenant_id):
        stored = Route.objects.get(id=route.id).policy
    assert stored == {"fallback_on": ["error", "timeout"], "continues_answers": False, "hedge_after_ms": 500}
    pages.post("route_edit", {"part": "name", "name": "Nightly"}, route_id=route.id)
    pages.post("rule_delete", {}, route_id=route.id, rule_id=long["id"])
    assert "Nightly" in pages.get("model_list")
    pages.post("route_delete", {}, route_id=route.id)
    assert "Nightly" not in pages.get("model_list", expect=200).split("was removed")[-1]


def test_a_viewer_sees_rules_and_tries_messages_but_changes_nothing(viewer: Pages, house: House) -> None:
    page = viewer.get("route_edit", route_id=house.route.id)
    assert "Add rule" not in page
    assert "Save models" not in page
    viewer.post("route_dry_run", {"message": "Hello"}, route_id=house.route.id, expect=200)
    viewer.post("route_edit", {"part": "chain"}, route_id=house.route.id, expect=403)
    viewer.get("rule_create", route_id=house.route.id, expect=403)
