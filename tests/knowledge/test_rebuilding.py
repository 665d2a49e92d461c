"""Another index is built beside the present one, takes over whole, and leaves a way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.knowledge import indexes, selectors
from apps.knowledge.models import OriginalFile, SearchIndex
from apps.knowledge.services import chunks, rebuilding
from apps.knowledge.services.snapshots import take_snapshot
from parley.errors import Conflict, Invalid
from parley.jobs.run import run_waiting
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import count_rows, reload

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


LONG = "# House rules\n\n" + " ".join(f"Rule {n} of the house is kept by everybody who lives in it." for n in range(60))


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    made = make_base(tenant_a)
    index(tenant_a, add(tenant_a, made, "long.md", LONG.encode()))
    index(tenant_a, add(tenant_a, made, "price.md", b"# Price\n\nThe Team plan costs 40 euros a month."))
    return made


def _start(owner: TenantWithKey, base: Any, chunk_tokens: int = 100) -> Any:
    with tenant_tx(owner.tenant.id):
        return rebuilding.start_rebuild(knowledge_base_id=base.id, chunk_tokens=chunk_tokens)


def _run(owner: TenantWithKey, search_index: Any) -> None:
    with use_tenant(owner.tenant.id):
        assert run_waiting(rebuilding.BUILD_JOB, search_index.id)


def _states(owner: TenantWithKey, base: Any) -> dict[int, str]:
    with tenant_tx(owner.tenant.id):
        return {row.number: row.state for row in indexes.list_indexes(knowledge_base_id=base.id)}


def _find(owner: TenantWithKey, base: Any, query: str) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query)


def _document(owner: TenantWithKey, base: Any, name: str) -> Any:
    with tenant_tx(owner.tenant.id):
        return selectors.list_documents(knowledge_base_id=base.id).get(name=name)


def test_the_new_index_takes_over_whole_and_the_old_one_is_the_way_back(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    long = _document(tenant_a, base, "long.md")
    built = _start(tenant_a, base)
    assert _states(tenant_a, base) == {1: "active", 2: "building"}
    assert len(_find(tenant_a, base, "Team plan")) > 0
    _run(tenant_a, built)
    assert _states(tenant_a, base) == {1: "retired", 2: "active"}
    recut = reload(tenant_a, long.id)
    assert recut.chunk_count > long.chunk_count
    assert "40 euros" in _find(tenant_a, base, "What does the Team plan cost?")[0].text
    index(tenant_a, add(tenant_a, base, "price.md", b"# Price\n\nThe Team plan costs 55 euros a month."))
    with tenant_tx(tenant_a.tenant.id):
        first = SearchIndex.objects.get(knowledge_base=base, number=1)
        rebuilding.return_to(search_index_id=first.id)
    _run(tenant_a, first)
    assert _states(tenant_a, base) == {1: "active", 2: "retired"}
    assert reload(tenant_a, long.id).chunk_count == long.chunk_count
    assert "55 euros" in _find(tenant_a, base, "What does the Team plan cost?")[0].text


def test_what_arrives_or_leaves_meanwhile_is_not_missed(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = _start(tenant_a, base)
    real = rebuilding._place
    placed = []

    def place(search_index: Any, document: Any, run: Any) -> None:
        real(search_index, document, run)
        placed.append(document.name)
        if len(placed) == 1:
            index(tenant_a, add(tenant_a, base, "late.md", b"# Late\n\nThe zebra arrived while others were built."))

    monkeypatch.setattr(rebuilding, "_place", place)
    _run(tenant_a, built)
    assert "late.md" in placed
    assert _find(tenant_a, base, "zebra")[0].title == "Late"


def test_edited_documents_keep_their_cut_and_their_words(tenant_a: TenantWithKey, base: Any) -> None:
    price = _document(tenant_a, base, "price.md")
    with tenant_tx(tenant_a.tenant.id):
        (only,) = selectors.list_chunks(document_id=price.id)
        chunks.edit_chunk(chunk_id=only.id, text="The Team plan costs 44 euros a month, says the boss.")
        chunks.add_chunk(document_id=price.id, text="Ask Ada about discounts.", headings=["Discounts"])
    _run(tenant_a, _start(tenant_a, base))
    with tenant_tx(tenant_a.tenant.id):
        kept = list(selectors.list_chunks(document_id=price.id))
    assert [chunk.origin for chunk in kept] == ["edited", "added"]
    assert "44 euros" in _find(tenant_a, base, "What does the Team plan cost?")[0].text
    assert any("Ada" in passage.text for passage in _find(tenant_a, base, "discounts"))


def test_a_document_whose_file_is_kept_no_longer_keeps_its_cut(tenant_a: TenantWithKey, base: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        OriginalFile.objects.all().delete()
    _run(tenant_a, _start(tenant_a, base))
    assert _states(tenant_a, base) == {1: "retired", 2: "active"}
    assert "40 euros" in _find(tenant_a, base, "What does the Team plan cost?")[0].text


def test_only_one_is_built_at_a_time_and_it_can_be_cancelled(tenant_a: TenantWithKey, base: Any) -> None:
    built = _start(tenant_a, base)
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(Conflict, match="being built"):
            rebuilding.start_rebuild(knowledge_base_id=base.id, chunk_tokens=120)
        with pytest.raises(Conflict, match="answers now"):
            rebuilding.delete_index(search_index_id=SearchIndex.objects.get(knowledge_base=base, number=1).id)
        rebuilding.delete_index(search_index_id=built.id)
        for size in (10, 5_000, 220):
            with pytest.raises(Invalid):
                rebuilding.start_rebuild(knowledge_base_id=base.id, chunk_tokens=size)
    _run(tenant_a, built)
    assert _states(tenant_a, base) == {1: "active"}


def test_an_index_that_a_snapshot_needs_stays(tenant_a: TenantWithKey, base: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        snapshot = take_snapshot(knowledge_base_id=base.id)
    _run(tenant_a, _start(tenant_a, base))
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Conflict, match="snapshot"):
        rebuilding.delete_index(search_index_id=snapshot.search_index_id)
    with use_tenant(tenant_a.tenant.id):
        assert selectors.search(knowledge_base_ids=[base.id], query="Team plan", snapshot_ids=[snapshot.id])


def test_no_text_is_embedded_twice_for_an_equal_cut(tenant_a: TenantWithKey, base: Any) -> None:
    _run(tenant_a, _start(tenant_a, base, chunk_tokens=219))
    price = _document(tenant_a, base, "price.md")
    counts = count_rows(tenant_a, price.id)
    assert counts["ChunkVector"] == 2, "one in each index"


def test_page_and_api_preview_build_and_return(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    page = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/index/"
    long = _document(tenant_a, base, "long.md")
    preview = client.post(page, {"chunk_tokens": 80, "document": str(long.id), "preview": "1"}).content.decode()
    assert f"{long.chunk_count} chunks now" in preview
    assert client.post(page, {"chunk_tokens": 3}).status_code == 422
    assert "being built" in client.post(page, {"chunk_tokens": 80}, follow=True).content.decode()
    with tenant_tx(tenant_a.tenant.id):
        built = SearchIndex.objects.get(knowledge_base=base, number=2)
    _run(tenant_a, built)
    path = f"/api/v1/knowledge-bases/{base.id}/indexes/"
    second, first = client.get(path, headers=tenant_a.headers).json()["results"]
    assert (second["state"], second["chunk_tokens"], first["state"]) == ("active", 80, "retired")
    assert second["chunk_count"] > first["chunk_count"]
    back = client.post(f"/api/v1/indexes/{first['id']}/return/", headers=tenant_a.headers)
    assert (back.status_code, back.json()["state"]) == (202, "building")
    assert client.delete(f"/api/v1/indexes/{first['id']}/", headers=tenant_a.headers).status_code == 204
