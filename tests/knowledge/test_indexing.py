"""A document always ends indexed or failed with a sentence, whoever dies on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.knowledge import selectors
from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable
from apps.knowledge.services import documents, findability, indexing, passage_vectors
from parley.errors import Unavailable
from parley.jobs import tend
from parley.jobs.models import Job
from parley.llm import LlmError
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import count_rows, give_up_lease, job_of, reload, set_job

Make = Callable[..., Any]


def _chunks(owner: TenantWithKey, document: Any) -> list[tuple[Any, ...]]:
    with tenant_tx(owner.tenant.id):
        return list(
            selectors.list_chunks(document_id=document.id).values_list("ordinal", "text", "location", "token_count")
        )


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("a.md", files.MARKDOWN, "Setup guide"),
        ("a.html", files.HTML, "Refunds"),
        ("a.pdf", files.pdf(3), "Chapter 1"),
        ("a.docx", files.docx(), "Travel policy"),
        ("a.txt", b"One plain sentence.", ""),
    ],
)
def test_every_format_is_indexed(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, name: str, content: bytes, title: str
) -> None:
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), name, content))
    assert (document.status, document.progress, document.error) == ("indexed", 1.0, "")
    assert document.title == title
    counts = count_rows(tenant_a, document.id)
    assert set(counts.values()) == {document.chunk_count}
    assert document.chunk_count > 0


def test_each_stage_is_visible(
    tenant_a: TenantWithKey, make_base: Make, add: Make, monkeypatch: pytest.MonkeyPatch, index: Make
) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.long_markdown(40))
    seen: list[tuple[str, float]] = []
    real_embed, real_extract = passage_vectors.embeddings.embed, indexing.extract_safely

    def watch() -> None:
        row = reload(tenant_a, document.id)
        seen.append((row.status, row.progress))

    def extract(content: bytes, name: str) -> ExtractedDocument:
        watch()
        return real_extract(content, name)

    def embed(**kwargs: Any) -> list[list[float]]:
        watch()
        return real_embed(**kwargs)

    monkeypatch.setattr(indexing, "extract_safely", extract)
    monkeypatch.setattr(passage_vectors.embeddings, "embed", embed)
    assert index(tenant_a, document).status == "indexed"
    assert seen[0][0] == "extracting"
    assert [status for status, _ in seen[1:]] == ["embedding"] * (len(seen) - 1)
    shares = [progress for _, progress in seen]
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares)


def test_no_chunks_is_a_failure(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    monkeypatch.setattr(indexing, "chunk", lambda extracted, **_: [])
    failed = index(tenant_a, document)
    assert failed.status == "failed"
    assert "0 chunks" in failed.error


def test_an_unreadable_file_fails_with_its_sentence_and_can_be_retried(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)

    def crash(content: bytes, name: str) -> ExtractedDocument:
        raise Unreadable("This file made its reader fail.")

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "extract_safely", crash)
        failed = index(tenant_a, document)
    assert (failed.status, failed.error) == ("failed", "This file made its reader fail.")
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    with tenant_tx(tenant_a.tenant.id):
        documents.retry_document(document_id=document.id)
    assert index(tenant_a, document).status == "indexed"


@pytest.mark.parametrize("problem", [Unavailable("The embedder is away."), LlmError("timeout", "Too slow.")])
def test_what_may_pass_is_tried_again_later_and_not_for_ever(
    tenant_a: TenantWithKey,
    make_base: Make,
    add: Make,
    index: Make,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)

    def refuse(**kwargs: Any) -> list[list[float]]:
        raise problem

    monkeypatch.setattr(passage_vectors.embeddings, "embed", refuse)
    # Its words are findable, which is progress; from then on three tries in a row are the limit.
    for _ in range(3):
        waiting = index(tenant_a, document)
        assert waiting.status == "queued"
        assert waiting.error
        job = job_of(tenant_a, document)
        assert job.run_after > timezone.now()
        index(tenant_a, document)
        assert job_of(tenant_a, document).attempt == job.attempt, "not due yet: nobody may take it"
        set_job(tenant_a, document, run_after=Now())
    failed = index(tenant_a, document)
    assert failed.status == "failed"
    assert failed.chunk_count > 0


@pytest.mark.parametrize("stage", ["extract_safely", "chunk", "embed_statically", "write_chunks", "write_sketches"])
def test_killed_between_steps_the_rows_converge(
    tenant_a: TenantWithKey,
    tenant_b: TenantWithKey,
    make_base: Make,
    add: Make,
    index: Make,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    """C-09: a worker that dies before its document is findable leaves nothing; the next one gets the same chunks."""
    # The undisturbed twin is another tenant's, or its vectors would be used again and nothing be embedded.
    whole = index(tenant_b, add(tenant_b, make_base(tenant_b), "whole.md", files.long_markdown(20)))
    document = add(tenant_a, make_base(tenant_a, "Other"), "whole.md", files.long_markdown(20))

    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(findability if hasattr(findability, stage) else indexing, stage, die)
        with pytest.raises(Killed):
            index(tenant_a, document)
    left = reload(tenant_a, document.id)
    assert left.status in ("extracting", "chunking", "embedding")
    assert set(count_rows(tenant_a, document.id).values()) == {0}
    assert index(tenant_a, document).status == left.status, "the lease still holds"
    give_up_lease(tenant_a, document)
    assert index(tenant_a, document).status == "indexed"
    assert _chunks(tenant_a, document) == _chunks(tenant_b, whole)


def test_a_second_delivery_does_nothing(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> None:
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN))
    with use_tenant(tenant_a.tenant.id):
        assert indexing.index_document(document_id=document.id) is False
    assert reload(tenant_a, document.id).attempt == document.attempt


def test_a_stale_worker_writes_nothing(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt fences: whoever lost the document while embedding cannot write over its successor."""
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    real = passage_vectors.embeddings.embed

    def overtaken(**kwargs: Any) -> list[list[float]]:
        row = reload(tenant_a, document.id)
        _set(tenant_a, document, attempt=row.attempt + 1)
        return real(**kwargs)

    monkeypatch.setattr(passage_vectors.embeddings, "embed", overtaken)
    after = index(tenant_a, document)
    assert after.status == "embedding"
    assert count_rows(tenant_a, document.id)["ChunkVector"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_document_that_keeps_killing_workers_fails(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """C-05: a poisonous document is given up with a sentence."""
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    past = timezone.now() - timedelta(seconds=1)
    set_job(tenant_a, document, state="running", tries=3, lease_until=past)
    assert tend.reap() == 1
    failed = reload(tenant_a, document.id)
    assert failed.status == "failed"
    assert "killed or runs out of memory" in failed.error


def test_a_later_request_takes_the_place_of_an_earlier_one(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """Two jobs of one document: the earlier finds nothing to do, whichever runs first."""
    base = make_base(tenant_a)
    add(tenant_a, base, "a.md", b"# One\n\nThe first text.")
    document = add(tenant_a, base, "a.md", b"# Two\n\nThe second text.")
    assert index(tenant_a, document).status == "indexed"
    assert index(tenant_a, document).status == "indexed"
    with tenant_tx(tenant_a.tenant.id):
        assert list(Job.objects.filter(subject_id=document.id).values_list("state", flat=True)) == ["done", "done"]
    assert [text for _, text, *_ in _chunks(tenant_a, document)] == ["The second text."]


def test_a_new_version_replaces_the_old_one_in_one_step(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    first = index(tenant_a, add(tenant_a, base, "price.md", b"# Price\n\nThe plan costs 10 euros."))
    second = add(tenant_a, base, "price.md", b"# Price\n\nThe plan costs 12 euros.")
    assert (second.id, second.version_number, second.status) == (first.id, 2, "queued")
    assert "10 euros" in _chunks(tenant_a, first)[0][1], "the old text answers until the new one is ready"
    index(tenant_a, second)
    assert [text for _, text, *_ in _chunks(tenant_a, first)] == ["The plan costs 12 euros."]


def _set(owner: TenantWithKey, document: Any, **values: Any) -> None:
    from apps.knowledge.models import Document

    with tenant_tx(owner.tenant.id):
        Document.objects.filter(id=document.id).update(**values)
