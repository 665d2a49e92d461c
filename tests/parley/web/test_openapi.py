"""The description of the API says what clients really get."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.fixtures import TenantWithKey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def described(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return found


def test_every_operation_describes_its_refusals(described: dict[str, Any], client: Client) -> None:
    operations = [each for path in described["paths"].values() for each in path.values() if "responses" in each]
    assert len(operations) > 100
    for operation in operations:
        (media_type,) = operation["responses"]["default"]["content"]
        assert media_type == "application/problem+json"
    refused = client.get("/api/v1/knowledge-bases/")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json().keys() >= set(described["components"]["schemas"]["Problem"]["required"])


def test_a_list_is_described_as_the_page_that_it_is(
    described: dict[str, Any], client: Client, tenant_a: TenantWithKey
) -> None:
    operation = described["paths"]["/api/v1/knowledge-bases/"]["get"]
    page = operation["responses"]["200"]["content"]["application/json"]["schema"]
    answered = client.get("/api/v1/knowledge-bases/", headers=tenant_a.headers).json()
    assert page["properties"].keys() == answered.keys()
    assert page["properties"]["results"]["items"] == {"$ref": "#/components/schemas/KnowledgeBaseBody"}
    assert {"limit", "cursor"} <= {parameter["name"] for parameter in operation["parameters"]}
