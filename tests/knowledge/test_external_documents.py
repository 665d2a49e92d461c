"""Another system pushes its documents by its own names: again and again, and nothing is doubled or lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.services import documents
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import reload

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The documents whose indexing was asked for."""
    ids: list[str] = []
    monkeypatch.setattr(documents, "request_indexing", lambda document: ids.append(str(document.id)))
    return ids


@pytest.fixture
def push(client: Client, tenant_a: TenantWithKey, make_base: Make) -> Callable[..., Any]:
    """`push(title=…, …)` posts a document to one knowledge base; `push.path` is the address."""
    path = f"/api/v1/knowledge-bases/{make_base(tenant_a).id}/documents/"

    def post(**body: Any) -> Any:
        return client.post(path, body, content_type="application/json", headers=tenant_a.headers)

    post.path = path  # type: ignore[attr-defined]
    return post


def test_sent_again_it_is_the_next_version_and_unchanged_it_is_not_indexed(push: Any, started: list[str]) -> None:
    first = push(external_id="cms-7", title="Refunds", text="Within 30 days.", metadata={"team": "shop"})
    assert first.status_code == 201, first.json()
    assert (first.json()["external_id"], first.json()["metadata"]) == ("cms-7", {"team": "shop"})
    same = push(external_id="cms-7", title="Refunds", text="Within 30 days.", metadata={"team": "sales"})
    assert (same.json()["id"], same.json()["version"]) == (first.json()["id"], 1)
    assert same.json()["metadata"] == {"team": "sales"}
    assert len(started) == 1
    changed = push(external_id="cms-7", title="Refunds and returns", text="Within 60 days.")
    assert (changed.json()["id"], changed.json()["version"]) == (first.json()["id"], 2)
    assert changed.json()["metadata"] == {"team": "sales"}, "left out, it stays"
    assert changed.json()["name"] == "Refunds and returns.md"
    assert started == [first.json()["id"]] * 2


def test_two_documents_may_share_a_title(push: Any, started: list[str]) -> None:
    first = push(external_id="a", title="Intro", text="One.").json()
    second = push(external_id="b", title="Intro", text="Two.").json()
    by_hand = push(title="Intro", text="Three.").json()
    assert first["id"] != second["id"]
    assert (first["name"], second["name"]) == ("Intro.md", "Intro (b).md")
    assert (by_hand["id"], by_hand["version"]) == (first["id"], 2), "a name typed by hand still replaces"


def test_a_document_is_found_and_removed_by_its_external_id(
    client: Client, push: Any, started: list[str], tenant_a: TenantWithKey, tenant_b: TenantWithKey
) -> None:
    pushed = push(external_id="a/ü 1", title="One", text="First.").json()
    push(external_id="other", title="Two", text="Second.")
    question = {"external_id": "a/ü 1"}
    found = client.get(push.path, question, headers=tenant_a.headers).json()["results"]
    assert [row["id"] for row in found] == [pushed["id"]]
    assert client.get(push.path, question, headers=tenant_b.headers).status_code == 404
    assert client.delete(f"/api/v1/documents/{pushed['id']}/", headers=tenant_a.headers).status_code == 204
    assert client.get(push.path, question, headers=tenant_a.headers).json()["results"] == []
    again = push(external_id="a/ü 1", title="One", text="First.").json()
    assert again["id"] != pushed["id"]


def test_a_file_may_carry_both(client: Client, push: Any, started: list[str], tenant_a: TenantWithKey) -> None:
    body = {
        "file": SimpleUploadedFile("a.md", b"# A\n\nText."),
        "external_id": "file-1",
        "metadata": '{"year": 2026, "tags": ["x", "y"]}',
    }
    added = client.post(push.path, body, headers=tenant_a.headers)
    assert added.status_code == 201, added.json()
    row = reload(tenant_a, added.json()["id"])
    assert (row.external_id, row.metadata) == ("file-1", {"year": 2026, "tags": ["x", "y"]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", ["no", "object"]),
        ("metadata", {"deep": {"er": 1}}),
        ("metadata", {"nul": "a\x00b"}),
        ("metadata", {"half": "\ud800"}),
        ("metadata", {"much": "x" * 9000}),
        ("metadata", {f"field {number}": 1 for number in range(51)}),
        ("external_id", "x" * 201),
        ("external_id", "line\nbreak"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_sentence(
    push: Any, started: list[str], field: str, value: object
) -> None:
    refused = push(title="T", text="Words.", **{field: value})
    assert refused.status_code == 400
    assert refused.json()["errors"][field]
    assert started == []
