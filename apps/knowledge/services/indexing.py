"""From stored bytes to findable chunks, as a job whose worker may die at any point.

Two tokens fence every write. The document's `attempt` says which request it is: a later one (a retry, a new version,
a deletion) makes the earlier one's writes miss. The job's own says which run: a later run of the same request does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from apps.knowledge.enums import UNFINISHED, DocumentStatus, IndexState
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.chunk import chunk
from apps.knowledge.ingest.sandbox import extract_safely
from apps.knowledge.job_kinds import INDEX_JOB
from apps.knowledge.models import Document, DocumentVersion, IndexedDocument, OriginalFile, SearchIndex
from apps.knowledge.services.carrying import carry_over, changes_by_hand, lost_sentence
from apps.knowledge.services.findability import (
    Placement,
    complete_vectors,
    is_waiting_for_vectors,
    make_findable,
)
from apps.knowledge.services.index_rows import hide_document
from parley.jobs import Transition
from parley.jobs.context import JobContext
from parley.jobs.enums import JobState
from parley.jobs.outcomes import CannotPass, MayPass
from parley.jobs.run import run_waiting
from parley.jobs.submit import submit
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

MAX_TITLE = 300
_CHUNKING_AT, _EMBEDDING_AT, _FINISHING_AT = 0.2, 0.25, 0.98
# What a job may still change; a cancelled or failed document may be replayed from the page of jobs.
_FOLLOWED = (*UNFINISHED, DocumentStatus.FAILED)
_CANCELLED = "Indexing was cancelled. Retry it when you want this document to be found."


class IndexSwitched(Exception):
    """Another index became active since the work began; it has to hold this version, too."""


class Superseded(Exception):
    """A later request owns the document now, or it is gone; whatever was computed is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to index one version of one document, as long as `attempt` is the document's own."""

    document_id: UUID
    version_id: UUID
    knowledge_base_id: UUID
    search_index_id: UUID
    chunk_tokens: int
    attempt: int
    name: str
    title: str
    content: bytes
    run: JobContext

    def placement(self, title: str) -> Placement:
        """Where the version goes, under the title that it turned out to have."""
        return Placement(self.search_index_id, self.knowledge_base_id, self.document_id, self.version_id, title)


def request_indexing(document: Document) -> None:
    """Ask for the document to be indexed as it stands. Inside the transaction that changed its `attempt`."""
    submit(
        INDEX_JOB,
        subject_id=document.id,
        group_id=document.knowledge_base_id,
        arguments={"attempt": document.attempt},
        idempotency_key=f"index:{document.id}:{document.attempt}",
    )


def index_document(*, document_id: UUID) -> bool:
    """Index a waiting document here and now; False when nothing waits (done, deleted, in other hands, not due)."""
    return run_waiting(INDEX_JOB, document_id)


def carry_out(run: JobContext) -> None:
    """The job's handler. Opens its own transactions.

    Safe to repeat and to kill anywhere: the chunks come out the same, and batches that are committed are not
    embedded again. Raises `CannotPass` and `MayPass` with a sentence, and whatever `run` raises to stop it.
    """
    claim = _claim(run)
    if claim is None:
        return
    try:
        _index(claim)
    except IndexSwitched:
        carry_out(run)
    except Superseded:
        log.info("document.index_superseded", document_id=str(claim.document_id), attempt=claim.attempt)
    except Unreadable as problem:
        raise CannotPass(problem.sentence) from problem
    except LlmError as problem:
        raise (MayPass if problem.is_retryable else CannotPass)(problem.sentence) from problem


def follow(change: Transition) -> None:
    """Let the document show what became of its job. Inside the transaction of the change."""
    if change.subject_id is None:
        return
    document = _requested(change.subject_id, change.arguments).select_for_update().first()
    if document is None:
        return
    if change.state in (JobState.DEAD, JobState.CANCELLED):
        _fail(document, _CANCELLED if change.state == JobState.CANCELLED else change.sentence)
    else:
        _wait(document, change.sentence)


def _index(claim: Claim) -> None:
    _advance(claim, DocumentStatus.EXTRACTING, 0.02)
    with tenant_tx():
        is_half_done = is_waiting_for_vectors(claim.placement(claim.title))
    if not is_half_done:
        extracted = extract_safely(claim.content, claim.name)
        _advance(claim, DocumentStatus.CHUNKING, _CHUNKING_AT)
        drafts = chunk(extracted, tokens=claim.chunk_tokens)
        if not drafts:
            raise Unreadable(
                "The file was read, but no passage to search came out of it (0 chunks). Check its content."
            )
        claim = replace(claim, title=(extracted.title or claim.title)[:MAX_TITLE])
        with tenant_tx():
            changes = changes_by_hand(document_id=claim.document_id, search_index_id=claim.search_index_id)
        drafts, lost = carry_over(drafts, changes)
        notice = " ".join(filter(None, (extracted.notice, lost_sentence(lost))))
        found_count = sum(draft.is_enabled for draft in drafts)
        make_findable(
            claim.placement(claim.title),
            drafts,
            name=claim.name,
            fence=lambda: _show_findable(claim, extracted.page_count, notice, found_count),
        )
    complete_vectors(
        claim.placement(claim.title),
        advance=lambda done, total: _advance_embedding(claim, done / total),
        pace=lambda done, total: claim.run.progress(done, total, DocumentStatus.EMBEDDING.value),
    )
    _finish(claim)
    log.info("document.indexed", document_id=str(claim.document_id), attempt=claim.attempt)


def _claim(run: JobContext) -> Claim | None:
    """The request that this job carries out; None when a later one has taken its place."""
    with tenant_tx():
        document = _requested(run.subject(), run.arguments).first()
        if document is None:
            return None
        version = DocumentVersion.objects.get(document=document, number=document.version_number)
        content = OriginalFile.objects.values_list("content", flat=True).get(document_version=version)
        index = SearchIndex.objects.get(knowledge_base_id=document.knowledge_base_id, state=IndexState.ACTIVE)
    return Claim(
        document_id=document.id,
        version_id=version.id,
        knowledge_base_id=document.knowledge_base_id,
        search_index_id=index.id,
        chunk_tokens=index.chunk_tokens,
        attempt=document.attempt,
        name=document.name,
        title=document.title,
        content=bytes(content),
        run=run,
    )


def _advance(claim: Claim, status: DocumentStatus, progress: float) -> None:
    """Show a stage. Raises `Superseded`, and whatever the run raises to stop."""
    claim.run.progress(0, 0, status.value)
    with tenant_tx():
        _keep(claim, is_step=False, status=status, progress=round(progress, 3))


def _show_findable(claim: Claim, page_count: int | None, notice: str, chunk_count: int) -> None:
    """Show that words and sketches find the document now. Inside the transaction that makes it so.

    The base is locked, so no other index can become active before it ends. Raises `IndexSwitched`.
    """
    if not SearchIndex.objects.filter(id=claim.search_index_id, state=IndexState.ACTIVE).exists():
        raise IndexSwitched
    _keep(
        claim,
        status=DocumentStatus.EMBEDDING,
        progress=_EMBEDDING_AT,
        error="",
        notice=notice[:500],
        title=claim.title,
        page_count=page_count,
        chunk_count=chunk_count,
    )


def _advance_embedding(claim: Claim, share: float) -> None:
    """Show how many vectors are there. Inside the transaction that writes them."""
    _keep(
        claim,
        status=DocumentStatus.EMBEDDING,
        progress=round(_EMBEDDING_AT + (_FINISHING_AT - _EMBEDDING_AT) * share, 3),
    )


def _finish(claim: Claim) -> None:
    now = timezone.now()
    with tenant_tx():
        _keep(
            claim,
            status=DocumentStatus.INDEXED,
            progress=1.0,
            error="",
            indexed_at=now,
        )
        claim.run.complete()


def _keep(claim: Claim, *, is_step: bool = True, **values: Any) -> None:
    """Change the document if it is still ours. Raises `Superseded`, and whatever the run raises to stop."""
    claim.run.fence(is_step=is_step)
    if not _mine(claim).update(updated_at=timezone.now(), **values):
        raise Superseded


def _fail(document: Document, sentence: str) -> None:
    """End in `failed` with the reason. What could be found before, an older version or words, stays findable."""
    active = SearchIndex.objects.filter(knowledge_base_id=document.knowledge_base_id, state=IndexState.ACTIVE)
    found = IndexedDocument.objects.filter(document_id=document.id, search_index_id__in=active.values("id")).first()
    Document.objects.filter(id=document.id).update(
        status=DocumentStatus.FAILED,
        error=f"{sentence}{_what_is_found(document, found)}"[:500],
        chunk_count=0 if found is None else found.chunk_count,
        updated_at=timezone.now(),
    )
    if found is None:
        hide_document(document.id)
    log.info("document.index_failed", document_id=str(document.id), attempt=document.attempt)


def _wait(document: Document, sentence: str) -> None:
    """Show that it waits again: for what may pass, for its turn, or for somebody to resume it."""
    Document.objects.filter(id=document.id).update(
        status=DocumentStatus.QUEUED, error=sentence[:500], updated_at=timezone.now()
    )


def _what_is_found(document: Document, found: IndexedDocument | None) -> str:
    if found is None:
        return ""
    version = DocumentVersion.objects.filter(id=found.document_version_id).values_list("number", flat=True).first()
    if version == document.version_number:
        return " Until that is mended it is found by its words and roughly by its meaning."
    return " Its older version is still found."


def _requested(document_id: UUID, arguments: Mapping[str, object]) -> QuerySet[Document]:
    """The document, as long as the job's request is its latest."""
    attempt = int(str(arguments["attempt"]))
    return Document.objects.filter(id=document_id, attempt=attempt, deleted_at=None, status__in=_FOLLOWED)


def _mine(claim: Claim) -> QuerySet[Document]:
    return Document.objects.filter(id=claim.document_id, attempt=claim.attempt, deleted_at=None)
