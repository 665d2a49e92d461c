"""The JSON door: names and shapes of the contract."""

from typing import Any

import pytest
from django.test import Client

from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.tenancy import tenant_tx

pytestmark = pytest.mark.django_db

LIST = "/api/v1/assistants/"


class Api:
    """A client with a key that sends and reads JSON."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.client = Client(headers=headers)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.generic(method, path, data=_json(body), content_type="application/json")


def _json(body: Any) -> str:
    import json

    return "" if body is None else json.dumps(body)


@pytest.fixture
def api(tenant_a: Any) -> Api:
    return Api(tenant_a.headers)


def create(api: Api, **fields: Any) -> dict[str, Any]:
    response = api("POST", LIST, {"name": "Guide", "instructions": "Help.", **fields})
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def test_from_creation_to_rollback(api: Api, tenant_a: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        base = create_knowledge_base(name="Docs")
    made = create(api, knowledge_base_ids=[str(base.id)])
    assert made["slug"] == "guide"
    assert made["published_version"] is None
    assert made["knowledge_base_ids"] == [str(base.id)]
    first = api("POST", f"{LIST}{made['id']}/publish/").json()
    assert (first["number"], first["slug"], first["is_published"]) == (1, "guide", True)
    changed = api("PATCH", f"{LIST}guide/draft/", {"instructions": "Help more.", "temperature": 0.1}).json()
    assert changed["unpublished_changes"] == ["instructions", "temperature"]
    assert changed["revision"] == 2
    assert api("GET", f"{LIST}guide/versions/1/").json()["instructions"] == "Help."
    second = api("POST", f"{LIST}guide/publish/", {"note": "More help"}).json()
    assert (second["number"], second["note"], second["author"]) == (2, "More help", "API key tests")
    back = api("POST", f"{LIST}guide/rollback/").json()
    assert back["number"] == 1
    assert api("POST", f"{LIST}guide/rollback/", {"number": 2}).json()["number"] == 2
    listed = api("GET", f"{LIST}{made['id']}/versions/").json()
    assert [version["number"] for version in listed["results"]] == [2, 1]
    assert set(listed) == {"results", "next", "previous"}


def test_assistants_are_found_by_id_and_slug(api: Api) -> None:
    made = create(api)
    assert api("GET", f"{LIST}guide/").json() == api("GET", f"{LIST}{made['id']}/").json()
    assert [row["id"] for row in api("GET", LIST).json()["results"]] == [made["id"]]
    assert api("GET", f"{LIST}nobody/").status_code == 404
    assert api("DELETE", f"{LIST}guide/").status_code == 204
    assert api("GET", f"{LIST}guide/").status_code == 404


def test_where_visitors_may_meet_it(api: Api) -> None:
    create(api)
    changed = api("PATCH", f"{LIST}guide/", {"is_public": True, "allowed_origins": ["https://example.com/"]})
    assert (changed.json()["is_public"], changed.json()["allowed_origins"]) == (True, ["https://example.com"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Guide"}, "instructions"),
        ({"name": "Guide", "instructions": "Help.", "temperature": 9}, "temperature"),
        ({"name": "Guide", "instructions": "Help.", "model": "no-such-model"}, "model"),
        (
            {"name": "Guide", "instructions": "Help.", "model": "0190a1b2-0000-7000-8000-000000000000"},
            "model",
        ),
        ({"name": "Guide", "instructions": "Help.", "knowledge_base_ids": ["x"]}, "knowledge_base_ids.0"),
    ],
)
def test_what_is_wrong_is_said_by_field(api: Api, body: dict[str, Any], field: str) -> None:
    response = api("POST", LIST, body)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert field in response.json()["errors"]


def test_conflicts_are_409(api: Api) -> None:
    create(api, slug="guide")
    assert api("POST", LIST, {"name": "x", "instructions": "x", "slug": "guide"}).status_code == 409
    assert api("PATCH", f"{LIST}guide/draft/", {"name": "New", "revision": 7}).status_code == 409


def test_nothing_can_be_rolled_back_before_there_are_two_versions(api: Api) -> None:
    create(api)
    response = api("POST", f"{LIST}guide/rollback/")
    assert response.status_code == 404
    assert "no earlier version" in response.json()["detail"]


def test_a_rejected_change_leaves_no_trace(api: Api) -> None:
    create(api)
    response = api("PATCH", f"{LIST}guide/draft/", {"name": "New", "knowledge_base_ids": [str(create(api)["id"])]})
    assert response.status_code == 400
    assert api("GET", f"{LIST}guide/draft/").json()["name"] == "Guide"


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_costs_the_same_whatever_its_length(
    api: Api, tenant_a: Any, count: int, django_assert_num_queries: Any
) -> None:
    with tenant_tx(tenant_a.tenant.id):
        base = create_knowledge_base(name="Docs")
    for _ in range(count):
        slug = create(api, knowledge_base_ids=[str(base.id)])["slug"]
        api("POST", f"{LIST}{slug}/publish/")
    with django_assert_num_queries(12):
        assert len(api("GET", LIST).json()["results"]) == count


def test_another_tenants_key_finds_nothing(api: Api, two_tenants: Any) -> None:
    """T-07"""
    made = create(api)
    stranger = Api(two_tenants[1].headers)
    for method, tail in [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "draft/"), ("PATCH", "draft/")]:
        assert stranger(method, f"{LIST}{made['id']}/{tail}", {}).status_code == 404
    for tail in ("publish/", "rollback/"):
        assert stranger("POST", f"{LIST}{made['id']}/{tail}", {}).status_code == 404
    assert stranger("GET", LIST).json()["results"] == []
