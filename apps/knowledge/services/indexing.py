"""From stored bytes to findable chunks, under a lease, so that any worker may die at any point.

Every write names the attempt it belongs to; a later attempt (a sweep, a retry, a new version, a deletion)
makes the earlier one's writes miss, and it stops. Nothing is findable before the one transaction that
replaces all chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.gateway.services import embeddings
from apps.knowledge.enums import WORKING, DocumentStatus
from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable
from apps.knowledge.ingest.chunk import ChunkDraft, chunk, embedded_text
from apps.knowledge.ingest.sandbox import extract_safely
from apps.knowledge.models import Document, DocumentVersion, OriginalFile
from apps.knowledge.services.index_rows import IndexTarget, delete_chunks, hide_document, write_rows
from apps.knowledge.services.passage_vectors import PassageVector, content_key, embed_passages, find_known_vectors
from parley.errors import Problem, Unavailable
from parley.jobs.heartbeat import beating
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

# Renewed while the worker lives: what a killed one leaves behind is taken up after this long.
LEASE = timedelta(seconds=30)
BEAT_SECONDS = 7.0
MAX_TRIES = 4
EMBED_BATCH = 32
_CHUNKING_AT, _EMBEDDING_AT, _WRITING_AT = 0.2, 0.25, 0.98
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
    attempt: int
    tries: int
    name: str
    title: str
    content: bytes


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
    extracted = extract_safely(claim.content, claim.name)
    _advance(claim, DocumentStatus.CHUNKING, _CHUNKING_AT)
    drafts = chunk(extracted)
    if not drafts:
        raise Unreadable("The file was read, but no passage to search came out of it (0 chunks). Check its content.")
    _advance(claim, DocumentStatus.EMBEDDING, _EMBEDDING_AT)
    vectors = _embed(claim, extracted.title or claim.title, drafts)
    replace_chunks(claim, extracted, drafts, vectors)
    log.info("document.indexed", document_id=str(claim.document_id), chunks=len(drafts), attempt=claim.attempt)


def _embed(claim: Claim, title: str, drafts: Sequence[ChunkDraft]) -> list[PassageVector]:
    """One vector per chunk; batches outside any transaction, the lease renewed after each.

    Only text that this tenant has not embedded yet is sent to the model: a corrected typo costs one passage.
    """
    model = embeddings.current_model()
    texts = [embedded_text(title, draft.headings, draft.text) for draft in drafts]
    keys = [content_key(model, text) for text in texts]
    known = find_known_vectors(keys)
    missing = [(key, text) for key, text in dict(zip(keys, texts, strict=True)).items() if key not in known]
    for start in range(0, len(missing), EMBED_BATCH):
        known |= embed_passages(missing[start : start + EMBED_BATCH])
        share = min(start + EMBED_BATCH, len(missing)) / len(missing)
        _advance(claim, DocumentStatus.EMBEDDING, _EMBEDDING_AT + (_WRITING_AT - _EMBEDDING_AT) * share)
    return [known[key] for key in keys]


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
    claim = Claim(
        document_id=document.id,
        version_id=version.id,
        knowledge_base_id=document.knowledge_base_id,
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
        kept = _mine(claim).update(
            status=status, progress=round(progress, 3), lease_expires_at=now + LEASE, updated_at=now
        )
    if not kept:
        raise Superseded


def _renew(claim: Claim) -> bool:
    with tenant_tx():
        return bool(_mine(claim).filter(status__in=WORKING).update(lease_expires_at=timezone.now() + LEASE))


def replace_chunks(
    claim: Claim, extracted: ExtractedDocument, drafts: Sequence[ChunkDraft], vectors: Sequence[PassageVector]
) -> None:
    """Swap old chunks for new ones and show the document as indexed, all in one. Raises `Superseded`."""
    title = (extracted.title or claim.title)[:300]
    now = timezone.now()
    with tenant_tx():
        kept = _mine(claim).update(
            status=DocumentStatus.INDEXED,
            progress=1.0,
            error=extracted.notice[:500],
            title=title,
            page_count=extracted.page_count,
            chunk_count=len(drafts),
            lease_expires_at=None,
            tries=0,
            indexed_at=now,
            updated_at=now,
        )
        if not kept:
            raise Superseded
        delete_chunks(claim.document_id)
        target = IndexTarget(claim.knowledge_base_id, claim.document_id, claim.version_id, title or claim.name)
        write_rows(target, drafts, vectors)


def _fail(claim: Claim, sentence: str) -> None:
    """End in `failed`: the reason is shown, and nothing of the document is found until it is indexed."""
    with tenant_tx():
        kept = _mine(claim).update(
            status=DocumentStatus.FAILED,
            error=sentence[:500],
            lease_expires_at=None,
            chunk_count=0,
            updated_at=timezone.now(),
        )
        if kept:
            hide_document(claim.document_id)
            delete_chunks(claim.document_id)
    log.info("document.index_failed", document_id=str(claim.document_id), attempt=claim.attempt)


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
