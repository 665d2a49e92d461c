"""The JSON door of knowledge, as contract.md describes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.ingest import limits
from tests.fixtures import TenantWithKey
from tests.knowledge import files

Make = Callable[..., Any]
# Sign-in looks members and keys up as the platform role, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])
BASES = "/api/v1/knowledge-bases/"


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


def _post(client: Client, owner: TenantWithKey, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, body, content_type="application/json", headers=owner.headers)


def test_the_whole_way(client: Client, tenant_a: TenantWithKey, index: Make) -> None:
    """Create, upload a PDF, see it queued, index, search, read its chunks, delete."""
    base = _post(client, tenant_a, BASES, {"name": "Handbook"})
    assert base.status_code == 201
    base_path = f"{BASES}{base.json()['id']}/"
    upload = SimpleUploadedFile("book.pdf", files.pdf(3), "application/pdf")
    added = client.post(f"{base_path}documents/", {"file": upload}, headers=tenant_a.headers)
    assert added.status_code == 201, added.json()
    document = added.json()
    assert (document["status"], document["progress"], document["error"]) == ("queued", 0.0, "")
    row = type("Row", (), {"id": document["id"]})
    index(tenant_a, row)
    path = f"/api/v1/documents/{document['id']}/"
    shown = client.get(path, headers=tenant_a.headers).json()
    assert (shown["status"], shown["progress"], shown["page_count"]) == ("indexed", 1.0, 3)
    found = _post(client, tenant_a, f"{base_path}search/", {"query": "the code of chapter 2", "limit": 2}).json()
    best = found["passages"][0]
    assert {"chunk_id", "document_id", "title", "text", "score", "location"} <= best.keys()
    assert "zebra2" in best["text"]
    assert best["location"] == "page 2"
    assert len(found["passages"]) == 2
    chunks = client.get(f"{path}chunks/", headers=tenant_a.headers).json()["results"]
    assert [chunk["ordinal"] for chunk in chunks] == list(range(shown["chunk_count"]))
    assert client.get(BASES, headers=tenant_a.headers).json()["results"][0]["document_count"] == 1
    assert client.delete(path, headers=tenant_a.headers).status_code == 204
    assert client.get(path, headers=tenant_a.headers).status_code == 404
    assert client.delete(base_path, headers=tenant_a.headers).status_code == 204


def test_text_and_url(client: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    path = f"{BASES}{make_base(tenant_a).id}/documents/"
    added = _post(client, tenant_a, path, {"title": "House rules", "text": "Take off your shoes."})
    assert (added.status_code, added.json()["title"]) == (201, "House rules")
    refused = _post(client, tenant_a, path, {"url": "https://example.com/"})
    assert refused.status_code == 400
    assert "robots.txt" in refused.json()["detail"]
    assert _post(client, tenant_a, path, {"title": "only"}).status_code == 400
    again = _post(client, tenant_a, path, {"title": "House rules", "text": "Take off your shoes."})
    assert (again.status_code, again.json()["document_id"]) == (409, added.json()["id"])


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("a.txt", b"", 400, "empty"),
        ("a.exe", b"MZ\x00\x00", 400, "cannot be read yet|binary"),
        ("big.txt", b"a" * (limits.MAX_FILE_BYTES + 1), 413, "the most is"),
    ],
)
def test_refused_files_are_explained(
    client: Client, tenant_a: TenantWithKey, make_base: Make, name: str, content: bytes, status: int, words: str
) -> None:
    upload = SimpleUploadedFile(name, content)
    answer = client.post(f"{BASES}{make_base(tenant_a).id}/documents/", {"file": upload}, headers=tenant_a.headers)
    assert answer.status_code == status
    assert any(word in answer.json()["detail"] for word in words.split("|"))
    assert answer["Content-Type"] == "application/problem+json"


def test_changes_and_retries(client: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> None:
    base = make_base(tenant_a)
    patched = client.patch(
        f"{BASES}{base.id}/", {"name": "Renamed"}, content_type="application/json", headers=tenant_a.headers
    )
    assert patched.json()["name"] == "Renamed"
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    path = f"/api/v1/documents/{document.id}/retry/"
    assert _post(client, tenant_a, path, {}).status_code == 409
    index(tenant_a, document)
    assert _post(client, tenant_a, path, {}).json()["status"] == "queued"


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "x", "limit": 0}, {"query": "x", "limit": 51}])
def test_bad_questions(client: Client, tenant_a: TenantWithKey, make_base: Make, body: dict[str, Any]) -> None:
    answer = _post(client, tenant_a, f"{BASES}{make_base(tenant_a).id}/search/", body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_another_tenants_things_do_not_exist(
    client: Client, two_tenants: tuple[TenantWithKey, TenantWithKey], make_base: Make, add: Make, index: Make
) -> None:
    """T-07: each address with an object of A, asked with B's key, is 404 and changes nothing."""
    owner, stranger = two_tenants
    base = make_base(owner)
    document = index(owner, add(owner, base, "a.md", files.MARKDOWN))
    calls = [
        ("get", f"{BASES}{base.id}/", None),
        ("patch", f"{BASES}{base.id}/", {"name": "Mine"}),
        ("delete", f"{BASES}{base.id}/", None),
        ("get", f"{BASES}{base.id}/documents/", None),
        ("post", f"{BASES}{base.id}/documents/", {"title": "a", "text": "b"}),
        ("post", f"{BASES}{base.id}/search/", {"query": "port"}),
        ("get", f"/api/v1/documents/{document.id}/", None),
        ("delete", f"/api/v1/documents/{document.id}/", None),
        ("post", f"/api/v1/documents/{document.id}/retry/", {}),
        ("get", f"/api/v1/documents/{document.id}/chunks/", None),
    ]
    for method, path, body in calls:
        answer = client.generic(
            method.upper(),
            path,
            b"" if body is None else __import__("json").dumps(body).encode(),
            content_type="application/json",
            headers=stranger.headers,
        )
        assert answer.status_code == 404, (method, path, answer.status_code)
    still = client.get(f"/api/v1/documents/{document.id}/", headers=owner.headers).json()
    assert (still["status"], still["version"]) == ("indexed", 1)


def test_lists_cost_the_same_with_one_and_with_three(
    client: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, django_assert_max_num_queries: Any
) -> None:
    for number in range(3):
        base = make_base(tenant_a, f"Base {number}")
        add(tenant_a, base, "a.md", f"# {number}".encode())
        if number in (0, 2):
            with django_assert_max_num_queries(10):
                assert len(client.get(BASES, headers=tenant_a.headers).json()["results"]) == number + 1


def test_no_key_no_answer(client: Client, db: None) -> None:
    assert client.get(BASES).status_code == 401
    assert client.get(f"{BASES}{uuid4()}/").status_code == 401


def test_chunks_are_edited_added_and_read_in_order(
    client: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """The list stays in reading order, although an edited chunk has a newer id."""
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN))
    path = f"/api/v1/documents/{document.id}/"
    first = client.get(f"{path}chunks/", headers=tenant_a.headers).json()["results"][0]
    assert (first["origin"], first["is_enabled"], first["is_current"], first["section"]) == ("extracted", True, True, 0)

    def patch(chunk_id: str, body: dict[str, Any]) -> Any:
        return client.patch(
            f"/api/v1/chunks/{chunk_id}/", body, content_type="application/json", headers=tenant_a.headers
        )

    edited = patch(first["id"], {"text": "Other words.", "is_enabled": False}).json()
    assert (edited["origin"], edited["is_enabled"], edited["text"]) == ("edited", False, "Other words.")
    assert patch(first["id"], {"text": "Late."}).status_code == 409
    old = client.get(f"/api/v1/chunks/{first['id']}/", headers=tenant_a.headers).json()
    assert (old["text"], old["is_current"]) == (first["text"], False)
    added = _post(client, tenant_a, f"{path}chunks/", {"text": "More.", "headings": ["Extra"]})
    assert (added.status_code, added.json()["origin"]) == (201, "added")
    listed = client.get(f"{path}chunks/?limit=2", headers=tenant_a.headers).json()
    assert listed["results"][0]["id"] == edited["id"]
    everything = client.get(f"{path}chunks/", headers=tenant_a.headers).json()["results"]
    assert [chunk["ordinal"] for chunk in everything] == list(range(len(everything)))
    restored = _post(client, tenant_a, f"/api/v1/chunks/{edited['id']}/restore/", {}).json()
    assert (restored["text"], restored["origin"]) == (first["text"], "extracted")
    removed = client.delete(f"/api/v1/chunks/{added.json()['id']}/", headers=tenant_a.headers)
    assert removed.status_code == 204
    versions = client.get(f"{path}versions/", headers=tenant_a.headers).json()["results"]
    assert [(version["number"], version["has_original"]) for version in versions] == [(1, True)]
    original = client.get(f"{path}original/?version=1", headers=tenant_a.headers)
    assert (original.content, original["X-Content-Type-Options"]) == (files.MARKDOWN, "nosniff")
    assert client.get(f"{path}original/?version=x", headers=tenant_a.headers).status_code == 400
    assert client.get(f"{path}chunks/?version=9", headers=tenant_a.headers).status_code == 404


def test_search_settings_are_kept_and_used(client: Client, tenant_a: TenantWithKey, index: Make) -> None:
    """Nothing found is an answer, and a threshold brings it about."""
    base_path = f"{BASES}{_post(client, tenant_a, BASES, {'name': 'Handbook'}).json()['id']}/"
    text = {"title": "Refunds", "text": "Customers get their money back within 14 days."}
    document = _post(client, tenant_a, f"{base_path}documents/", text).json()
    index(tenant_a, type("Row", (), {"id": document["id"]}))
    path = f"{base_path}retrieval/"

    def change(body: dict[str, Any]) -> Any:
        return client.patch(path, body, content_type="application/json", headers=tenant_a.headers)

    def count(query: str) -> int:
        return len(_post(client, tenant_a, f"{base_path}search/", {"query": query}).json()["passages"])

    assert client.get(path, headers=tenant_a.headers).json()["min_relevance"] == 0.0
    assert count("Which planet is the largest?") == 1
    assert change({"min_relevance": 0.3, "vector_weight": 0.5}).status_code == 200
    kept = client.get(path, headers=tenant_a.headers).json()
    assert (kept["min_relevance"], kept["vector_weight"], kept["removes_repeats"]) == (0.3, 0.5, True)
    assert count("Which planet is the largest?") == 0
    assert count("When do customers get their money back?") == 1
    refused = change({"vector_weight": 1.5, "candidate_count": 5, "min_relevance": -1, "diversity": 1})
    assert refused.status_code == 400
    assert refused.json()["errors"].keys() == {"vector_weight", "candidate_count", "min_relevance", "diversity"}
    assert change({"vector_weight": None}).json()["vector_weight"] is None


def test_search_settings_of_another_tenant_do_not_exist(
    client: Client, two_tenants: tuple[TenantWithKey, TenantWithKey]
) -> None:
    """T-06."""
    owner, stranger = two_tenants
    path = f"{BASES}{_post(client, owner, BASES, {'name': 'Handbook'}).json()['id']}/retrieval/"
    assert client.get(path, headers=stranger.headers).status_code == 404
    change = client.patch(path, {"diversity": 0.5}, content_type="application/json", headers=stranger.headers)
    assert change.status_code == 404


def test_texts_and_entries_by_other_systems(client: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    """Bulk, deletion by external id, the deleted ones and their return; an entry from draft to approval."""
    base = f"{BASES}{make_base(tenant_a).id}/"
    text = {"external_id": "a1", "title": "Rules", "text": "Take off your shoes."}
    answer = _post(client, tenant_a, f"{base}documents/bulk/", {"upsert": [text], "delete": ["gone"]}).json()
    assert [item["outcome"] for item in answer["results"]] == ["created", "missing"]
    assert client.delete(f"{base}documents/?external_id=a1", headers=tenant_a.headers).status_code == 204
    assert client.delete(f"{base}documents/?external_id=a1", headers=tenant_a.headers).status_code == 404
    assert client.delete(f"{base}documents/", headers=tenant_a.headers).status_code == 400
    (deleted,) = client.get(f"{base}documents/deleted/", headers=tenant_a.headers).json()["results"]
    assert (deleted["external_id"], deleted["kind"]) == ("a1", "text")
    assert deleted["erased_at"] > deleted["deleted_at"]
    restored = _post(client, tenant_a, f"/api/v1/documents/{deleted['id']}/restore/", {})
    assert (restored.status_code, restored.json()["status"]) == (202, "queued")
    entry = {"kind": "curated", "question": "Who are you?", "answer": "A house.", "phrasings": ["What are you?"]}
    added = _post(client, tenant_a, f"{base}entries/", entry)
    assert (added.status_code, added.json()["approved_at"], added.json()["document_id"]) == (201, None, None)
    path = f"/api/v1/entries/{added.json()['id']}/"
    assert _post(client, tenant_a, f"{path}approval/", {}).json()["approved_at"]
    assert client.delete(f"{path}approval/", headers=tenant_a.headers).json()["document_id"] is None
    listed = client.get(f"{base}entries/?kind=curated", headers=tenant_a.headers).json()["results"]
    assert [(row["question"], row["phrasings"]) for row in listed] == [("Who are you?", ["What are you?"])]
    assert client.delete(path, headers=tenant_a.headers).status_code == 204
    assert client.get(path, headers=tenant_a.headers).status_code == 404
