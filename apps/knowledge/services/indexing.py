"""From stored bytes to findable chunks, under a lease, so that any worker may die at any point.

Every write names the attempt it belongs to; a later attempt (a sweep, a retry, a new version, a deletion)
makes the earlier one's writes miss, and it stops.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.knowledge.enums import WORKING, DocumentStatus, IndexState
from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable
from apps.knowledge.ingest.chunk import chunk
from apps.knowledge.ingest.sandbox import extract_safely
from apps.knowledge.models import Document, DocumentVersion, IndexedDocument, OriginalFile, SearchIndex
from apps.knowledge.services.findability import (
    Placement,
    complete_vectors,
    is_waiting_for_vectors,
    make_findable,
)
from apps.knowledge.services.index_rows import hide_document
from parley.errors import Problem, Unavailable
from parley.jobs.heartbeat import beating
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

# Renewed while the worker lives: what a killed one leaves behind is taken up after this long.
LEASE = timedelta(seconds=30)
BEAT_SECONDS = 7.0
MAX_TRIES = 4
MAX_TITLE = 300
_CHUNKING_AT, _EMBEDDING_AT, _FINISHING_AT = 0.2, 0.25, 0.98
_NOT_FINISHED = (
    "Indexing was interrupted several times and did not finish. Try again; if it fails again, split the file."
)


class Superseded(Exception):
    """Somebody else owns the document now, or it is gone; whatever was computed is thrown away."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to index one version of one document, as long as `attempt` is the document's own."""

    document_id: UUID
    version_id: UUID
    knowledge_base_id: UUID
    search_index_id: UUID
    chunk_tokens: int
    attempt: int
    tries: int
    name: str
    title: str
    content: bytes

    def placement(self, title: str) -> Placement:
        """Where the version goes, under the title that it turned out to have."""
        return Placement(self.search_index_id, self.knowledge_base_id, self.document_id, self.version_id, title)


def index_document(*, document_id: UUID) -> bool:
    """Index a waiting document; False when there was nothing to do (done, deleted, in other hands, not due).

    Opens its own transactions. Safe to repeat and to kill anywhere: the lease runs out, the sweep starts it
    again, and the chunks come out the same. Ends in `indexed`, `failed` with a sentence, or `queued` again
    for what may pass.
    """
    claim = _claim(document_id)
    if claim is None:
        return False
    try:
        with beating(lambda: _renew(claim), every_seconds=BEAT_SECONDS):
            _index(claim)
    except Superseded:
        log.info("document.index_superseded", document_id=str(document_id), attempt=claim.attempt)
    except Unreadable as problem:
        _fail(claim, problem.sentence)
    except LlmError as problem:
        _fail_or_wait(claim, problem.sentence, may_pass=problem.is_retryable)
    except Problem as problem:
        _fail_or_wait(claim, problem.detail, may_pass=isinstance(problem, Unavailable))
    except Exception:
        log.exception("document.index_error", document_id=str(document_id), attempt=claim.attempt)
        _fail_or_wait(claim, _NOT_FINISHED, may_pass=True)
    return True


def _index(claim: Claim) -> None:
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
        make_findable(
            claim.placement(claim.title),
            drafts,
            name=claim.name,
            fence=lambda: _show_findable(claim, extracted, len(drafts)),
        )
    complete_vectors(
        claim.placement(claim.title),
        advance=lambda done, total: _advance_embedding(claim, done / total),
    )
    _finish(claim)
    log.info("document.indexed", document_id=str(claim.document_id), attempt=claim.attempt)


def _claim(document_id: UUID) -> Claim | None:
    """Take the document if it waits or its lease ran out. One that killed too many workers fails here."""
    now = timezone.now()
    is_due = Q(run_after=None) | Q(run_after__lte=now)
    is_open = Q(status=DocumentStatus.QUEUED) & is_due | Q(lease_expires_at__lt=now)
    with tenant_tx():
        open_documents = Document.objects.filter(is_open, id=document_id, deleted_at=None).exclude(
            status__in=[DocumentStatus.INDEXED, DocumentStatus.FAILED]
        )
        taken = open_documents.update(
            status=DocumentStatus.EXTRACTING,
            progress=0.02,
            attempt=F("attempt") + 1,
            tries=F("tries") + 1,
            lease_expires_at=now + LEASE,
            run_after=None,
            updated_at=now,
        )
        if not taken:
            return None
        document = Document.objects.get(id=document_id)
        version = DocumentVersion.objects.get(document=document, number=document.version_number)
        content = OriginalFile.objects.values_list("content", flat=True).get(document_version=version)
        index = SearchIndex.objects.get(knowledge_base_id=document.knowledge_base_id, state=IndexState.ACTIVE)
    claim = Claim(
        document_id=document.id,
        version_id=version.id,
        knowledge_base_id=document.knowledge_base_id,
        search_index_id=index.id,
        chunk_tokens=index.chunk_tokens,
        attempt=document.attempt,
        tries=document.tries,
        name=document.name,
        title=document.title,
        content=bytes(content),
    )
    if claim.tries > MAX_TRIES:
        _fail(claim, _NOT_FINISHED)
        return None
    return claim


def _advance(claim: Claim, status: DocumentStatus, progress: float) -> None:
    """Show a stage and renew the lease. Raises `Superseded`."""
    now = timezone.now()
    with tenant_tx():
        _keep(claim, status=status, progress=round(progress, 3), lease_expires_at=now + LEASE)


def _renew(claim: Claim) -> bool:
    with tenant_tx():
        return bool(_mine(claim).filter(status__in=WORKING).update(lease_expires_at=timezone.now() + LEASE))


def _show_findable(claim: Claim, extracted: ExtractedDocument, chunk_count: int) -> None:
    """Show that words and sketches find the document now. Inside the transaction that makes it so."""
    _keep(
        claim,
        status=DocumentStatus.EMBEDDING,
        progress=_EMBEDDING_AT,
        error="",
        notice=extracted.notice[:500],
        title=claim.title,
        page_count=extracted.page_count,
        chunk_count=chunk_count,
        lease_expires_at=timezone.now() + LEASE,
    )


def _advance_embedding(claim: Claim, share: float) -> None:
    """Show how many vectors are there. Inside the transaction that writes them."""
    _keep(
        claim,
        status=DocumentStatus.EMBEDDING,
        progress=round(_EMBEDDING_AT + (_FINISHING_AT - _EMBEDDING_AT) * share, 3),
        lease_expires_at=timezone.now() + LEASE,
    )


def _finish(claim: Claim) -> None:
    now = timezone.now()
    with tenant_tx():
        _keep(
            claim,
            status=DocumentStatus.INDEXED,
            progress=1.0,
            error="",
            lease_expires_at=None,
            tries=0,
            indexed_at=now,
        )


def _keep(claim: Claim, **values: Any) -> None:
    """Change the document if it is still ours. Raises `Superseded`."""
    if not _mine(claim).update(updated_at=timezone.now(), **values):
        raise Superseded


def _fail(claim: Claim, sentence: str) -> None:
    """End in `failed` with the reason. What could be found before, an older version or words, stays findable."""
    with tenant_tx():
        found = IndexedDocument.objects.filter(
            document_id=claim.document_id, search_index_id=claim.search_index_id
        ).first()
        kept = _mine(claim).update(
            status=DocumentStatus.FAILED,
            error=f"{sentence}{_what_is_found(claim, found)}"[:500],
            lease_expires_at=None,
            chunk_count=0 if found is None else found.chunk_count,
            updated_at=timezone.now(),
        )
        if kept and found is None:
            hide_document(claim.document_id)
    log.info("document.index_failed", document_id=str(claim.document_id), attempt=claim.attempt)


def _what_is_found(claim: Claim, found: IndexedDocument | None) -> str:
    if found is None:
        return ""
    if found.document_version_id == claim.version_id:
        return " Until that is mended it is found by its words and roughly by its meaning."
    return " Its older version is still found."


def _fail_or_wait(claim: Claim, sentence: str, *, may_pass: bool) -> None:
    """Queue again for later (10, 20, 40 s) what may pass by itself; fail what will not."""
    if not may_pass or claim.tries >= MAX_TRIES:
        _fail(claim, sentence)
        return
    now = timezone.now()
    with tenant_tx():
        _mine(claim).update(
            status=DocumentStatus.QUEUED,
            progress=0.0,
            error=sentence[:500],
            lease_expires_at=None,
            run_after=now + timedelta(seconds=5 * 2**claim.tries),
            updated_at=now,
        )


def _mine(claim: Claim) -> QuerySet[Document]:
    return Document.objects.filter(id=claim.document_id, attempt=claim.attempt, deleted_at=None)
