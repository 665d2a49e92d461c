"""Access tags: who may be answered from a document, from the next search on and everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge import selectors
from apps.knowledge.contracts import EDITORS, PUBLIC, Audience
from apps.knowledge.enums import EntryKind
from apps.knowledge.models import Document, Entry
from apps.knowledge.services import documents, entries
from apps.knowledge.services.describing import MAX_AT_ONCE, describe_document, tag_documents
from apps.knowledge.services.external import MAX_TAGS, checked_access_tags
from apps.knowledge.services.snapshots import take_snapshot
from apps.knowledge.services.sources import update_source
from parley.errors import Invalid, NotFound
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import reload
from tests.knowledge.website import Website, page

Make = Callable[..., Any]
HR = Audience(("hr",))
PARTNERS = Audience(("partners",))
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    """Two documents about zebras; nothing is tagged."""
    made = make_base(tenant_a)
    index(
        tenant_a, add(tenant_a, made, "pay.md", b"# Pay\n\nThe zebra earns 4,000 euros a month.\n\n# Leave\n\nAll may.")
    )
    index(tenant_a, add(tenant_a, made, "stable.md", b"The zebra sleeps in the stable."))
    return made


def _find(owner: TenantWithKey, base: Any, audience: Audience = PUBLIC, query: str = "zebra", **more: Any) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query, audience=audience, **more)


def _names(found: list[Any]) -> set[str]:
    return {passage.title for passage in found}


def _document(owner: TenantWithKey, name: str) -> Any:
    with tenant_tx(owner.tenant.id):
        return Document.objects.get(name=name)


def _tag(owner: TenantWithKey, name: str, *tags: str) -> None:
    with tenant_tx(owner.tenant.id):
        describe_document(document_id=Document.objects.get(name=name).id, access_tags=tags)


def test_a_tag_counts_from_the_next_search_on(tenant_a: TenantWithKey, base: Any) -> None:
    """L-20: nothing is indexed for it; who has one of the tags finds it, nobody else, and back again."""
    both = {"Pay", "stable.md"}
    assert _names(_find(tenant_a, base)) == both
    _tag(tenant_a, "pay.md", "hr", "partners")
    assert reload(tenant_a, _document(tenant_a, "pay.md").id).status == "indexed"
    assert _names(_find(tenant_a, base)) == {"stable.md"}
    assert _names(_find(tenant_a, base, HR)) == _names(_find(tenant_a, base, PARTNERS)) == both
    assert _names(_find(tenant_a, base, Audience(("legal",)))) == {"stable.md"}
    assert _names(_find(tenant_a, base, EDITORS)) == both
    _tag(tenant_a, "pay.md")
    assert _names(_find(tenant_a, base)) == both


def test_no_way_to_find_leads_around_the_tags(tenant_a: TenantWithKey, base: Any, add: Make) -> None:
    """L-20: words alone, neighbours, sections, typos and passages without a vector yet."""
    _tag(tenant_a, "pay.md", "hr")
    for query in ("earns 4,000 euros", "earnz", "Who may take leave?", "zebra stable pay"):
        assert _names(_find(tenant_a, base, query=query)) <= {"stable.md"}
        assert "Pay" in _names(_find(tenant_a, base, HR, query=query))
    with tenant_tx(tenant_a.tenant.id):
        selectors.get_retrieval_settings(base.id)
        from apps.knowledge.services.retrieval_settings import update_retrieval_settings

        update_retrieval_settings(knowledge_base_id=base.id, changes={"section_tokens": 500, "diversity": 0.5})
    assert all("4,000" not in passage.reading for passage in _find(tenant_a, base))


def test_sketched_passages_keep_to_the_tags(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-20: in the seconds before its vectors are there, too."""
    from apps.knowledge.services import indexing

    monkeypatch.setattr(indexing, "complete_vectors", lambda *args, **kwargs: None)
    added = index(tenant_a, add(tenant_a, base, "bonus.md", b"The zebra gets a bonus at Christmas."))
    assert "bonus.md" in _names(_find(tenant_a, base, query="zebra bonus"))
    with tenant_tx(tenant_a.tenant.id):
        describe_document(document_id=added.id, access_tags=["hr"])
    assert "bonus.md" not in _names(_find(tenant_a, base, query="Christmas gift"))
    assert "bonus.md" in _names(_find(tenant_a, base, HR, query="Christmas gift"))


def test_a_snapshot_asks_who_may_read_now(tenant_a: TenantWithKey, base: Any) -> None:
    """L-20, F-63: a pinned version answers from the old text, but for whom is about today."""
    with tenant_tx(tenant_a.tenant.id):
        snapshot = take_snapshot(knowledge_base_id=base.id)
    _tag(tenant_a, "pay.md", "hr")
    pinned: dict[str, Any] = {"snapshot_ids": [snapshot.id]}
    assert _names(_find(tenant_a, base, **pinned)) == {"stable.md"}
    assert _names(_find(tenant_a, base, HR, **pinned)) == {"Pay", "stable.md"}


def test_a_filter_counts_with_metadata_as_it_is_now(tenant_a: TenantWithKey, base: Any) -> None:
    """F-60."""
    of_shop = Audience(metadata_filter={"field": "team", "eq": "shop"})
    assert _find(tenant_a, base, of_shop) == []
    with tenant_tx(tenant_a.tenant.id):
        describe_document(document_id=_document(tenant_a, "stable.md").id, metadata={"team": ["shop", "zoo"]})
    assert _names(_find(tenant_a, base, of_shop)) == {"stable.md"}
    with pytest.raises(Invalid, match="unknown"):
        _find(tenant_a, base, Audience(metadata_filter={"team": "shop"}))


def test_an_approved_answer_is_not_said_to_those_who_may_not_have_it(
    tenant_a: TenantWithKey, base: Any, index: Make
) -> None:
    """L-20: the better answer for some does not take the place of the one for all, and new tags need no approval."""
    words = {"question": "What does the zebra earn?", "answer": "Ask your manager."}
    with tenant_tx(tenant_a.tenant.id):
        secret = entries.add_entry(
            knowledge_base_id=base.id,
            kind=EntryKind.CURATED,
            question=words["question"],
            answer="4,000.",
            access_tags=["HR"],
        )
        plain = entries.add_entry(
            knowledge_base_id=base.id,
            kind=EntryKind.CURATED,
            question="what  does the ZEBRA earn",
            answer=words["answer"],
        )
        for entry in (secret, plain):
            index(tenant_a, entries.approve_entry(entry_id=entry.id).document)

    def said(audience: Audience) -> str:
        first = _find(tenant_a, base, audience, words["question"])[0]
        return str(first.text) if first.is_curated else ""

    assert said(PUBLIC) == said(PARTNERS) == "Ask your manager."
    with tenant_tx(tenant_a.tenant.id):
        entries.withdraw_entry(entry_id=plain.id)
    assert said(PUBLIC) == ""
    assert said(HR) == "4,000."
    with tenant_tx(tenant_a.tenant.id):
        kept: dict[str, Any] = {"question": secret.question, "answer": "4,000."}
        changed = entries.update_entry(entry_id=secret.id, access_tags=["partners"], **kept)
        assert changed.approved_at is not None
    assert (said(HR), said(PARTNERS)) == ("", "4,000.")
    with tenant_tx(tenant_a.tenant.id):
        published: Any = selectors.get_entry(secret.id)
        describe_document(document_id=published.document_id, access_tags=[])
        assert selectors.get_entry(secret.id).access_tags == [], "the entry knows what its document was given"
    assert said(PUBLIC) == "4,000."


def test_what_is_closed_while_a_reranker_thinks_is_not_told(
    tenant_a: TenantWithKey, base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-20: the time that a provider takes is no gap."""
    from apps.knowledge.contracts import RetrievalSettings
    from apps.knowledge.retrieval import search

    def thinks(rerank: Any, question: str, found: list[Any]) -> list[Any]:
        assert _names(found) == {"Pay", "stable.md"}
        _tag(tenant_a, "pay.md", "hr")
        return found

    monkeypatch.setattr(search, "reranked", thinks)
    settings = RetrievalSettings(reranker="local")
    assert _names(_find(tenant_a, base, settings=settings)) == {"stable.md"}


def test_a_table_of_entries_may_name_tags(tenant_a: TenantWithKey, base: Any) -> None:
    content = b"question,answer,access_tags\nHow much?,A lot.,hr|Partners\nWhen?,Now.,\nWhere?,Here.,no tag!\n"
    with tenant_tx(tenant_a.tenant.id):
        result = entries.import_entries(knowledge_base_id=base.id, kind=EntryKind.FAQ, content=content)
        assert dict(Entry.objects.values_list("question", "access_tags")) == {
            "How much?": ["hr", "partners"],
            "When?": [],
        }
        assert Document.objects.get(title="How much?").access_tags == ["hr", "partners"]
    assert [number for number, _ in result.problems] == [4]


# -- what may be a tag ---------------------------------------------------------------


def test_tags_are_names_in_lower_case() -> None:
    assert checked_access_tags(["HR ", "hr", "Führung-2", "a.b_c", " "]) == ["a.b_c", "führung-2", "hr"]
    for bad in (["-a"], ["a b"], ["a,b"], ["x" * 41], ["a\0"], ["*"], [f"t{number}" for number in range(MAX_TAGS + 1)]):
        with pytest.raises(Invalid) as told:
            checked_access_tags(bad)
        assert set(told.value.errors) == {"access_tags"}


def test_many_documents_are_tagged_at_once(tenant_a: TenantWithKey, base: Any, make_base: Make, add: Make) -> None:
    """Only those of the base, and all or none."""
    other = add(tenant_a, make_base(tenant_a, "Other"), "other.md", b"Elsewhere.")
    with tenant_tx(tenant_a.tenant.id):
        ids = [*Document.objects.filter(knowledge_base=base).order_by("id").values_list("id", flat=True), other.id]
        assert tag_documents(knowledge_base_id=base.id, document_ids=ids, add=["hr", "legal"]) == 2
        assert tag_documents(knowledge_base_id=base.id, document_ids=ids, add=["hr"], remove=["legal"]) == 2
        assert tag_documents(knowledge_base_id=base.id, document_ids=ids, add=["hr"], remove=["legal"]) == 0
        assert list(Document.objects.order_by("id").values_list("access_tags", flat=True)) == [["hr"], ["hr"], []]
        refused: list[dict[str, Any]] = [{"add": []}, {"add": ["hr"], "document_ids": [other.id] * (MAX_AT_ONCE + 1)}]
        for bad in refused:
            with pytest.raises(Invalid):
                tag_documents(**{"knowledge_base_id": base.id, "document_ids": ids} | bad)
        Document.objects.filter(id=ids[1]).update(access_tags=[f"t{number:02}" for number in range(MAX_TAGS)])
    with pytest.raises(Invalid, match="stable"), tenant_tx(tenant_a.tenant.id):
        tag_documents(knowledge_base_id=base.id, document_ids=ids, add=["legal"])
    assert _document(tenant_a, "pay.md").access_tags == ["hr"]


def test_a_new_version_keeps_the_tags(tenant_a: TenantWithKey, base: Any, add: Make, index: Make) -> None:
    """L-20: uploading a corrected file must not open it to everybody; nor does deleting and restoring."""
    _tag(tenant_a, "pay.md", "hr")
    index(tenant_a, add(tenant_a, base, "pay.md", b"The zebra earns 5,000 euros a month."))
    assert _names(_find(tenant_a, base)) == {"stable.md"}
    with tenant_tx(tenant_a.tenant.id):
        document_id = Document.objects.get(name="pay.md").id
        documents.delete_document(document_id=document_id)
        restored = documents.restore_document(document_id=document_id)
    index(tenant_a, restored)
    assert _names(_find(tenant_a, base)) == {"stable.md"}


def test_pages_begin_with_the_tags_of_their_source_and_follow_its_changes(
    tenant_a: TenantWithKey, make_base: Make, website: Website, add_source: Make, sync: Make, index: Make
) -> None:
    """L-20: at once and not with the next sync; what a page was given besides stays."""
    website.put("/", page("Start", "/pay", text="The zebra lives here, together with many other animals."))
    website.put("/pay", page("Pay", text="The zebra earns 4,000 euros a month, and more at Christmas."))
    base = make_base(tenant_a)
    source = add_source(tenant_a, base, website.url("/"), access_tags=["Staff"])
    sync(tenant_a, source)
    with tenant_tx(tenant_a.tenant.id):
        pages = {row.title: row for row in Document.objects.all()}
        assert {row.title: row.access_tags for row in pages.values()} == {"Start": ["staff"], "Pay": ["staff"]}
        describe_document(document_id=pages["Pay"].id, access_tags=["staff", "hr"])
    website.put("/pay", page("Pay", text="The zebra earns 5,000 euros a month, and nothing at Christmas."))
    sync(tenant_a, source)
    assert reload(tenant_a, pages["Pay"].id).access_tags == ["hr", "staff"], "a changed page keeps what it was given"
    with tenant_tx(tenant_a.tenant.id):
        update_source(source_id=source.id, access_tags=["partners"])
    assert reload(tenant_a, pages["Pay"].id).access_tags == ["hr", "partners"]
    assert reload(tenant_a, pages["Start"].id).access_tags == ["partners"]


def test_a_page_that_two_sources_share_follows_both(
    tenant_a: TenantWithKey, make_base: Make, website: Website, add_source: Make, sync: Make
) -> None:
    """L-20: a second source without tags opens nothing, and the first still closes what it led to."""
    website.put("/pay", page("Pay", text="The zebra earns 4,000 euros a month, and more at Christmas."))
    base = make_base(tenant_a)
    first = add_source(tenant_a, base, website.url("/pay"), kind="page", access_tags=["staff"])
    sync(tenant_a, first)
    website.put("/pay", page("Pay", text="The zebra earns 5,000 euros a month, and nothing at Christmas."))
    second = add_source(tenant_a, base, website.url("/pay"), kind="crawl")
    sync(tenant_a, second)
    with tenant_tx(tenant_a.tenant.id):
        shared = Document.objects.get()
        assert (shared.source_id, shared.access_tags) == (second.id, ["staff"])
        update_source(source_id=first.id, access_tags=["hr"])
        assert Document.objects.get().access_tags == ["hr"]


# -- the JSON door -------------------------------------------------------------------


def _post(client: Client, owner: TenantWithKey, path: str, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json", headers=owner.headers)


def test_the_api_sets_tags_wherever_documents_come_in(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    path = f"/api/v1/knowledge-bases/{base.id}/documents/"
    pushed = _post(client, tenant_a, path, title="A", text="One.", external_id="a", access_tags=["HR"]).json()
    assert pushed["access_tags"] == ["hr"]
    again = _post(client, tenant_a, path, title="A", text="One.", external_id="a").json()
    assert (again["access_tags"], again["version"]) == (["hr"], 1), "left out, they stay"
    upload = SimpleUploadedFile("b.md", b"Two.", "text/markdown")
    sent = client.post(path, {"file": upload, "access_tags": ["hr", "legal"]}, headers=tenant_a.headers).json()
    assert sent["access_tags"] == ["hr", "legal"]
    item = {"external_id": "c", "title": "C", "text": "Three.", "access_tags": ["legal"]}
    outcomes = []
    for tags in (["legal"], ["legal"], ["hr"], ["no tag!"]):
        result = _post(client, tenant_a, f"{path}bulk/", upsert=[item | {"access_tags": tags}]).json()["results"][0]
        outcomes.append((result["outcome"], bool(result["error"])))
    assert outcomes == [("created", False), ("unchanged", False), ("updated", False), ("refused", True)]
    refused = _post(client, tenant_a, path, title="D", text="Four.", access_tags=["no tag!"])
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["access_tags"])


def test_a_document_is_described_by_patch(
    client: Client, tenant_a: TenantWithKey, tenant_b: TenantWithKey, base: Any
) -> None:
    path = f"/api/v1/documents/{_document(tenant_a, 'pay.md').id}/"

    def patch(owner: TenantWithKey = tenant_a, **body: Any) -> Any:
        return client.patch(path, body, content_type="application/json", headers=owner.headers)

    assert patch(access_tags=["hr"]).json()["access_tags"] == ["hr"]
    body = patch(metadata={"team": "shop"}).json()
    assert (body["metadata"], body["access_tags"], body["version"]) == ({"team": "shop"}, ["hr"], 1)
    assert patch(tenant_b, access_tags=[]).status_code == 404
    for bad in ({"metadata": [1]}, {"metadata": {"a": {"b": 1}}}, {"access_tags": ["a b"]}, {"access_tags": "hr"}):
        assert patch(**bad).status_code == 400, bad
    raw = '{"metadata": {"n": 1e999}}'
    assert client.patch(path, raw, content_type="application/json", headers=tenant_a.headers).status_code == 400


def test_search_asks_as_somebody_and_filters(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    """L-20, F-60: the same search that assistants use."""
    _tag(tenant_a, "pay.md", "hr")
    path = f"/api/v1/knowledge-bases/{base.id}/search/"

    def titles(**body: Any) -> set[str]:
        answer = _post(client, tenant_a, path, query="zebra", **body)
        assert answer.status_code == 200, answer.json()
        return {passage["title"] for passage in answer.json()["passages"]}

    assert titles() == {"stable.md"}
    assert titles(access_tags=["HR"]) == {"Pay", "stable.md"}
    assert titles(access_tags=["hr"], filter={"field": "team", "exists": True}) == set()
    assert titles(filter=None) == titles(filter={}) == {"stable.md"}
    refused = _post(client, tenant_a, path, query="zebra", filter={"team": "shop"})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["filter"])


def test_only_editors_ask_as_somebody_else(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    """T-03, L-20: a key that may only look asks like everybody."""
    from apps.tenants.services.api_keys import create_api_key

    with tenant_tx(tenant_a.tenant.id):
        token = create_api_key(name="reader", scopes=["knowledge.view"]).token
    path, headers = f"/api/v1/knowledge-bases/{base.id}/search/", {"Authorization": f"Bearer {token}"}
    for tags, status in ((["hr"], 403), ([], 200)):
        body = {"query": "zebra", "access_tags": tags}
        assert client.post(path, body, content_type="application/json", headers=headers).status_code == status


def test_describing_is_for_ones_own_documents(tenant_a: TenantWithKey, tenant_b: TenantWithKey, base: Any) -> None:
    """T-06."""
    document = _document(tenant_a, "pay.md")
    with tenant_tx(tenant_b.tenant.id), pytest.raises(NotFound):
        describe_document(document_id=document.id, access_tags=["hr"])
    with tenant_tx(tenant_b.tenant.id), pytest.raises(NotFound):
        tag_documents(knowledge_base_id=base.id, document_ids=[document.id], add=["hr"])
