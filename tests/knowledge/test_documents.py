"""Adding, replacing, retrying and deleting documents and knowledge bases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.ingest import limits
from apps.knowledge.services import documents, knowledge_bases
from parley.errors import Conflict, Invalid, NotFound, TooLarge
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import count_rows, job_of, reload

Make = Callable[..., Any]


def test_equal_content_is_not_added_twice(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    base = make_base(tenant_a)
    first = add(tenant_a, base, "a.md", files.MARKDOWN)
    with pytest.raises(Conflict, match=r"already here as “a\.md”") as caught:
        add(tenant_a, base, "copy.md", files.MARKDOWN)
    assert caught.value.extra["document_id"] == str(first.id)
    assert add(tenant_a, make_base(tenant_a, "Another"), "a.md", files.MARKDOWN).id != first.id


def test_a_file_over_the_cap_is_too_large(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    with pytest.raises(TooLarge, match="the most is 25 MB"):
        add(tenant_a, make_base(tenant_a), "a.txt", b"a" * (limits.MAX_FILE_BYTES + 1))


def test_a_file_of_another_kind_is_refused(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    with pytest.raises(Invalid, match="cannot be read yet"):
        add(tenant_a, make_base(tenant_a), "a.ics", b"a;b")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\files\\plan.pdf", "plan.pdf"),
        ("in\u202evoice\x00.md", "invoice.md"),
        ("", "untitled.txt"),
        ("a" * 300 + ".pdf", "a" * 251 + ".pdf"),
    ],
)
def test_names_are_only_names(given: str, expected: str) -> None:
    assert documents.clean_name(given) == expected


def test_typed_text_becomes_a_document(
    tenant_a: TenantWithKey, make_base: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    base = make_base(tenant_a)
    with tenant_tx(tenant_a.tenant.id):
        document = documents.add_text(knowledge_base_id=base.id, title='The "best" v1.2', text="## Rule\n\nAsk first.")
        with pytest.raises(Invalid) as caught:
            documents.add_text(knowledge_base_id=base.id, title=" ", text="")
    assert set(caught.value.errors) == {"title", "text"}
    indexed = index(tenant_a, document)
    assert (indexed.status, indexed.title) == ("indexed", 'The "best" v1.2')


def test_deleting_hides_at_once_and_erases_on_schedule(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-05: hidden from this transaction on; its job is due after the days, and then no row of it is left."""
    from apps.knowledge.models import Document, DocumentVersion, OriginalFile

    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN))
    with tenant_tx(tenant_a.tenant.id):
        documents.delete_document(document_id=document.id)
        with pytest.raises(NotFound):
            selectors.get_document(document.id)
        assert list(selectors.list_deleted_documents(knowledge_base_id=document.knowledge_base_id)) == [document]
        deleted_at = Document.objects.get(id=document.id).deleted_at
    counts = count_rows(tenant_a, document.id)
    assert counts["ChunkVector"] == counts["ChunkTerms"] == 0
    job = job_of(tenant_a, document)
    assert job.kind == "knowledge.purge_document"
    assert abs(job.run_after - deleted_at - timedelta(days=30)) < timedelta(minutes=1)
    for days, is_erased in ((29.9, False), (30.1, True)):
        monkeypatch.setattr(documents.timezone, "now", lambda days=days: deleted_at + timedelta(days=days))
        with tenant_tx(tenant_a.tenant.id):
            assert documents.purge_document(document_id=document.id) is is_erased
    with tenant_tx(tenant_a.tenant.id):
        assert documents.purge_document(document_id=document.id) is False
        for model in (Document, DocumentVersion, OriginalFile):
            assert model.objects.count() == 0
    assert set(count_rows(tenant_a, document.id).values()) == {0}


def test_with_no_days_deleting_erases_at_once(
    tenant_a: TenantWithKey, make_base: Make, add: Make, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PARLEY_ERASE_AFTER_DAYS = 0
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    with tenant_tx(tenant_a.tenant.id):
        documents.delete_document(document_id=document.id)
    assert job_of(tenant_a, document).kind == "knowledge.purge_document"
    with tenant_tx(tenant_a.tenant.id):
        assert documents.purge_document(document_id=document.id) is True


def test_a_deleted_document_comes_back(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored it is indexed anew from its file; not when another took its name meanwhile."""
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    base = make_base(tenant_a)
    document = index(tenant_a, add(tenant_a, base, "a.md", files.MARKDOWN))
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(NotFound):
            documents.restore_document(document_id=document.id)
        documents.delete_document(document_id=document.id)
    other = add(tenant_a, base, "a.md", b"Another text of that name.")
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(Conflict, match="has its name or content now"):
            documents.restore_document(document_id=document.id)
        documents.delete_document(document_id=other.id)
        documents.restore_document(document_id=document.id)
    restored = index(tenant_a, document)
    assert (restored.status, restored.deleted_at) == ("indexed", None)
    assert count_rows(tenant_a, document.id)["ChunkVector"] == restored.chunk_count > 0


def test_many_texts_in_one_request(tenant_a: TenantWithKey, make_base: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item has its own outcome; repeated, nothing changes."""
    from apps.knowledge.services import bulk

    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    base = make_base(tenant_a)
    texts = [{"external_id": f"a{n}", "title": f"Title {n}", "text": f"Text {n}."} for n in range(3)]
    refused = {"external_id": "bad", "title": " ", "text": "x"}
    same = {"external_id": "same", "title": "Title 0", "text": "Text 0."}

    def change(**asked: Any) -> list[tuple[str, str]]:
        with tenant_tx(tenant_a.tenant.id):
            results = bulk.change_documents(knowledge_base_id=base.id, **asked)
            return [(item.external_id, item.outcome) for item in results]

    first = change(upsert=[texts[0], refused, texts[1], same, texts[2]], delete=["nobody"])
    assert [outcome for _, outcome in first] == ["created", "refused", "created", "refused", "created", "missing"]
    assert change(upsert=texts) == [("a0", "unchanged"), ("a1", "unchanged"), ("a2", "unchanged")]
    new = texts[1] | {"text": "New words."}
    described = texts[2] | {"metadata": {"team": "a"}}
    again = change(upsert=[new, described], delete=["a0"])
    assert again == [("a1", "updated"), ("a2", "updated"), ("a0", "deleted")]
    with pytest.raises(Invalid, match="named twice"):
        change(upsert=[texts[1]], delete=["a1"])
    with pytest.raises(Invalid, match="500 documents"):
        change(delete=[str(number) for number in range(501)])


def test_a_deleted_name_and_content_can_come_back(
    tenant_a: TenantWithKey, make_base: Make, add: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    base = make_base(tenant_a)
    first = add(tenant_a, base, "a.md", files.MARKDOWN)
    with tenant_tx(tenant_a.tenant.id):
        documents.delete_document(document_id=first.id)
    assert add(tenant_a, base, "a.md", files.MARKDOWN).id != first.id


def test_what_is_at_work_cannot_be_retried(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Conflict, match="being indexed already"):
        documents.retry_document(document_id=document.id)


def test_a_failed_document_uploaded_again_is_retried(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.knowledge.services import indexing

    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    with monkeypatch.context() as patch:
        patch.setattr(indexing, "chunk", lambda extracted, **_: [])
        assert index(tenant_a, document).status == "failed"
    again = add(tenant_a, base, "a.md", files.MARKDOWN)
    assert (again.id, again.status, again.error) == (document.id, "queued", "")


def test_deleting_a_base_erases_everything_in_it(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    from apps.knowledge.models import Chunk, Document, KnowledgeBase, OriginalFile

    base, other = make_base(tenant_a), make_base(tenant_a, "Kept")
    index(tenant_a, add(tenant_a, base, "a.md", files.MARKDOWN))
    kept = index(tenant_a, add(tenant_a, other, "b.md", files.MARKDOWN))
    with tenant_tx(tenant_a.tenant.id):
        knowledge_bases.delete_knowledge_base(knowledge_base_id=base.id)
        assert list(KnowledgeBase.objects.values_list("id", flat=True)) == [other.id]
        assert set(Chunk.objects.values_list("document_id", flat=True)) == {kept.id}
        assert Document.objects.count() == OriginalFile.objects.count() == 1


def test_a_base_needs_a_name(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Invalid) as caught:
        knowledge_bases.create_knowledge_base(name="  ")
    assert "name" in caught.value.errors


def test_writes_are_audited(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    from apps.tenants.models import AuditEvent

    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    with tenant_tx(tenant_a.tenant.id):
        actions = AuditEvent.objects.filter(target_id__in=[str(base.id), str(document.id)])
        assert set(actions.values_list("action", flat=True)) == {"knowledge_base.created", "document.added"}


def test_another_tenant_reaches_nothing(
    two_tenants: tuple[TenantWithKey, TenantWithKey], make_base: Make, add: Make, index: Make
) -> None:
    """T-06: every read and write by id, asked by the other tenant while the data exists."""
    owner, stranger = two_tenants
    base = make_base(owner)
    document = index(owner, add(owner, base, "a.md", files.MARKDOWN))
    with tenant_tx(stranger.tenant.id):
        for call in (
            lambda: selectors.get_knowledge_base(base.id),
            lambda: selectors.get_document(document.id),
            lambda: documents.retry_document(document_id=document.id),
            lambda: documents.delete_document(document_id=document.id),
            lambda: documents.add_document(knowledge_base_id=base.id, name="x.md", content=b"x"),
            lambda: knowledge_bases.delete_knowledge_base(knowledge_base_id=base.id),
        ):
            with pytest.raises(NotFound):
                call()
        assert documents.purge_document(document_id=document.id) is False
        assert list(selectors.list_chunks(document_id=document.id)) == []
        assert list(selectors.list_documents(knowledge_base_id=base.id)) == []
    assert reload(owner, document.id).status == "indexed"
