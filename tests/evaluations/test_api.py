"""The JSON door by the contract, as a program with a key meets it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey

from .conftest import MODEL, Bench

CASE = {"question": "How many seats?", "expected_facts": ["15 seats | fifteen seats", ["a", "b"]]}


class Api:
    """A client with a key."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"})

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        options = {} if body is None else {"data": body, "content_type": "application/json"}
        response = getattr(self.client, method)(f"/api/v1/{path}", **options)
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    def upload(self, path: str, content: bytes, *, status: int) -> Any:
        response = self.client.post(f"/api/v1/{path}", {"file": SimpleUploadedFile("cases.csv", content)})
        assert response.status_code == status, response.content
        return response.json()


@pytest.fixture
def api(tenant_a: TenantWithKey) -> Api:
    return Api(tenant_a.token)


def test_a_data_set_from_making_to_deleting(api: Api) -> None:
    made = api.call("post", "datasets/", {"name": "Support"}, status=201)
    path = f"datasets/{made['id']}/"
    assert api.call("get", path)["case_count"] == 0
    assert api.call("patch", path, {"description": "Twenty"})["description"] == "Twenty"
    assert [row["name"] for row in api.call("get", "datasets/")["results"]] == ["Support"]
    api.call("delete", path, status=204)
    api.call("get", path, status=404)


def test_cases_by_hand(api: Api) -> None:
    dataset = api.call("post", "datasets/", {"name": "Support"}, status=201)
    path = f"datasets/{dataset['id']}/cases/"
    case = api.call("post", path, CASE, status=201)
    assert case["expected_facts"] == [["15 seats", "fifteen seats"], ["a", "b"]]
    assert case["source"] == "hand"
    changed = api.call("put", f"{path}{case['id']}/", {"question": "How many?"})
    assert (changed["question"], changed["expected_facts"]) == ("How many?", [])
    assert len(api.call("get", path)["results"]) == 1
    api.call("delete", f"{path}{case['id']}/", status=204)
    assert api.call("get", path)["results"] == []


def test_cases_from_a_file_are_all_or_nothing(api: Api) -> None:
    dataset = api.call("post", "datasets/", {"name": "Support"}, status=201)
    path = f"datasets/{dataset['id']}/cases/"
    problem = api.upload(path, b"question\nOne?\n,\nOne?\n", status=400)
    assert problem["errors"]["rows"] == ["Line 4: The same question is already in line 2."]
    assert api.call("get", path)["results"] == []
    assert api.upload(path, b"question\nOne?\nTwo?\n", status=201) == {"imported": 2}
    assert [row["question"] for row in api.call("get", path)["results"]] == ["One?", "Two?"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("datasets/", {}, "name"),
        ("datasets/", {"name": " "}, "name"),
        ("evaluators/", {"name": "x", "kind": "magic"}, "kind"),
        ("evaluators/", {"name": "x", "kind": "regex", "settings": {"pattern": "("}}, "pattern"),
        ("experiments/", {"assistant": "guide", "dataset": "no"}, "dataset"),
        ("experiments/", {"assistant": "guide", "dataset": str(uuid4()), "evaluators": []}, "evaluators"),
    ],
)
def test_what_is_wrong_is_said_by_field(api: Api, path: str, body: dict[str, Any], field: str) -> None:
    problem = api.call("post", path, body, status=400)
    assert field in problem["errors"]
    assert problem["detail"]


def test_evaluators(api: Api) -> None:
    made = api.call("post", "evaluators/", {"name": "Facts", "kind": "contains"}, status=201)
    assert made["settings"] == {"require": "all"}
    path = f"evaluators/{made['id']}/"
    assert api.call("patch", path, {"settings": {"require": "any"}})["settings"] == {"require": "any"}
    assert api.call("post", "evaluators/", {"name": "Facts", "kind": "contains"}, status=409)["detail"]
    assert [row["id"] for row in api.call("get", "evaluators/")["results"]] == [made["id"]]
    api.call("delete", path, status=204)
    api.call("get", path, status=404)


@pytest.mark.django_db(transaction=True, databases=["default", "platform"])
def test_an_experiment_from_start_to_results(bench: Bench, fake: FakeProvider) -> None:
    from apps.tenants.policies import ALL_PERMISSIONS
    from apps.tenants.services.api_keys import create_api_key

    with tenant_tx():
        api = Api(create_api_key(name="tests", scopes=ALL_PERMISSIONS).token)
    fake.script(MODEL, Script(text="It has 15 seats."))
    bench.add_cases("How many seats?", facts="15 seats")
    bench.add_cases("What does it cost?", facts="30 dollars", document="pricing.md")
    bench.add_evaluator("cites_expected_document")
    body = {
        "assistant": "guide",
        "version": "draft",
        "dataset": str(bench.dataset_id),
        "evaluators": [str(row) for row in bench.evaluator_ids],
    }
    started = api.call("post", "experiments/", body, status=201)
    experiment = api.call("get", f"experiments/{started['id']}/")
    assert (experiment["status"], experiment["progress"], experiment["version"]) == ("completed", 1.0, "draft")
    facts, cites = experiment["evaluators"]
    assert (facts["passed_count"], facts["scored_count"], facts["mean"]) == (1, 2, 0.5)
    assert (cites["scored_count"], cites["skipped_count"]) == (1, 1)

    first, second = api.call("get", f"experiments/{started['id']}/results/")["results"]
    assert (first["answer"], first["scores"][0]["passed"]) == ("It has 15 seats.", True)
    assert first["scores"][1]["status"] == "skipped"
    assert first["cost"] == "0.000055"
    assert second["scores"][0]["reason"].startswith("States 0 of 1")
    assert [row["id"] for row in api.call("get", "experiments/")["results"]] == [started["id"]]
    api.call("post", f"experiments/{started['id']}/cancel/", status=409)
    api.call("delete", f"experiments/{started['id']}/", status=204)


@pytest.mark.parametrize("noun", ["datasets", "evaluators"])
def test_another_tenants_things_are_not_there(noun: str, two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    """T-07 for the objects of this app, while they exist."""
    ours, theirs = (Api(tenant.token) for tenant in two_tenants)
    body = {"name": "Secret", "kind": "contains"} if noun == "evaluators" else {"name": "Secret"}
    made = theirs.call("post", f"{noun}/", body, status=201)
    assert ours.call("get", f"{noun}/")["results"] == []
    for method, payload in (("get", None), ("patch", {"name": "Mine"}), ("delete", None)):
        ours.call(method, f"{noun}/{made['id']}/", payload, status=404)
    assert theirs.call("get", f"{noun}/{made['id']}/")["name"] == "Secret"
