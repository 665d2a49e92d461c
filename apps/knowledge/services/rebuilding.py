"""Builds another index beside the active one and switches over when nothing is missing in it.

Searches go on in the old index until one transaction makes the new one active. The old one stays as a way back:
returning brings it up to date in the same way first. A document whose chunks were changed by hand keeps its cut,
chunk by chunk, so that no editor's work is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import connection
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.gateway import selectors as gateway
from apps.gateway.enums import ModelKind
from apps.knowledge.enums import IndexState
from apps.knowledge.indexes import get_index
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.chunk import chunk
from apps.knowledge.ingest.sandbox import extract_safely
from apps.knowledge.models import (
    Chunk,
    ChunkSketch,
    Document,
    IndexedDocument,
    KnowledgeBase,
    OriginalFile,
    SearchIndex,
)
from apps.knowledge.services.carrying import CHANGED_BY_HAND
from apps.knowledge.services.copying import copy_document, is_copied
from apps.knowledge.services.findability import Placement, complete_vectors, make_findable
from apps.knowledge.services.revisions import begin_revision
from apps.tenants.services.audit import record
from parley.errors import Conflict, Invalid, NotFound
from parley.jobs import Subject, Transition
from parley.jobs.context import JobContext
from parley.jobs.enums import JobState
from parley.jobs.outcomes import CannotPass, MayPass, Superseded
from parley.jobs.submit import submit
from parley.llm import LlmError
from parley.tenancy import require_tenant_id, tenant_tx

log = structlog.get_logger(__name__)

BUILD_JOB = "knowledge.build_index"
KEPT_INDEXES = 3


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A document that the index being built does not hold as the active one does."""

    document_id: UUID
    document_version_id: UUID
    name: str
    title: str
    is_kept_as_cut: bool


def start_rebuild(*, knowledge_base_id: UUID, chunk_tokens: int, embedding_model_id: UUID | None = None) -> SearchIndex:
    """Begin an index with other settings beside the active one; a job fills it and switches over.

    Without an `embedding_model_id` the model stays. Raises `NotFound`; `Conflict` while another is being built;
    `Invalid` for a size that is out of range, for what is no embedding model, and for settings that are those of now.
    """
    base = _lock_base(knowledge_base_id)
    if not limits.MIN_CHUNK_TOKENS <= chunk_tokens <= limits.CHUNK_TOKENS:
        sentence = f"Choose a size from {limits.MIN_CHUNK_TOKENS} to {limits.CHUNK_TOKENS} tokens."
        raise Invalid(sentence, errors={"chunk_tokens": [sentence]})
    indexes = SearchIndex.objects.filter(knowledge_base=base)
    active = indexes.get(state=IndexState.ACTIVE)
    model_id = embedding_model_id or active.embedding_model_id
    if model_id != active.embedding_model_id:
        _require_embedder(model_id)
    elif active.chunk_tokens == chunk_tokens:
        raise Invalid(
            "The active index has these settings already.", errors={"chunk_tokens": ["This is the present size."]}
        )
    _refuse_second(indexes)
    is_same_model = model_id == active.embedding_model_id
    built: SearchIndex = SearchIndex.objects.create(
        knowledge_base=base,
        number=(indexes.aggregate(last=Max("number"))["last"] or 0) + 1,
        state=IndexState.BUILDING,
        chunk_tokens=chunk_tokens,
        # How long another model's vectors are is asked when the first of them is made.
        embedding_model_id=model_id,
        embedding_model=active.embedding_model if is_same_model else "",
        dimensions=active.dimensions,
    )
    facts = {"number": built.number, "chunk_tokens": chunk_tokens, "embedding_model": str(model_id or "")}
    record(action="search_index.started", target=built, after=facts)
    _submit(built)
    return built


def return_to(*, search_index_id: UUID) -> SearchIndex:
    """Bring a retired or failed index up to date and make it active again. Raises `NotFound`, `Conflict`."""
    index = get_index(search_index_id)
    _lock_base(index.knowledge_base_id)
    if index.state not in (IndexState.RETIRED, IndexState.FAILED):
        raise Conflict("Only an index that is not in use can be returned to.")
    _refuse_second(SearchIndex.objects.filter(knowledge_base_id=index.knowledge_base_id))
    index.state, index.error = IndexState.BUILDING, ""
    index.save(update_fields=["state", "error"])
    record(action="search_index.returned_to", target=index, after={"number": index.number})
    _submit(index)
    return index


def delete_index(*, search_index_id: UUID) -> None:
    """Remove an index that is not active, also one that is being built. Raises `NotFound`; `Conflict` for the
    active one and for one that a snapshot needs.
    """
    index = get_index(search_index_id)
    _lock_base(index.knowledge_base_id)
    if index.state == IndexState.ACTIVE:
        raise Conflict("This index answers now. Switch to another one first.")
    if index.snapshots.exists():
        raise Conflict("A snapshot finds its passages in this index. Delete its snapshots first.")
    record(action="search_index.deleted", target=index, before={"number": index.number})
    tenant = require_tenant_id()
    with connection.cursor() as cursor:
        for table in ("knowledge_chunkvector", "knowledge_chunksketch", "knowledge_chunkterms", "knowledge_chunk"):
            cursor.execute(
                f"DELETE FROM {table} WHERE tenant_id = %s AND search_index_id = %s",  # noqa: S608 # the names above
                [tenant, index.id],
            )
    index.delete()


def carry_out(run: JobContext) -> None:
    """The job's handler: place what is missing, document by document, until the switch finds nothing missing.

    Safe to repeat and to kill anywhere: every document is placed whole, and the switch is one transaction.
    """
    index_id = run.subject()
    try:
        while True:
            with tenant_tx():
                index = SearchIndex.objects.filter(id=index_id, state=IndexState.BUILDING).first()
                waiting = _waiting(index) if index is not None else []
            if index is None:
                return
            if not waiting:
                if _switch(index, run):
                    return
                continue
            total = _total(index)
            for place, document in enumerate(waiting, start=total - len(waiting) + 1):
                _place(index, document, run)
                run.progress(place, max(total, place), "building")
    except LlmError as problem:
        raise (MayPass if problem.is_retryable else CannotPass)(problem.sentence) from problem


def _require_embedder(model_id: UUID | None) -> None:
    if model_id not in {known for known, _ in gateway.list_choices(ModelKind.EMBED)}:
        sentence = "Choose an embedding model that is switched on."
        raise Invalid(sentence, errors={"embedding_model_id": [sentence]})


def follow(change: Transition) -> None:
    """Show on the index what became of its job; the active one goes on. Inside the transaction of the change."""
    if change.subject_id is None:
        return
    indexes = SearchIndex.objects.filter(id=change.subject_id)
    if change.state in (JobState.DEAD, JobState.CANCELLED):
        sentence = change.sentence or "Building it was cancelled."
        indexes.filter(state=IndexState.BUILDING).update(state=IndexState.FAILED, error=sentence[:500])
    elif change.state == JobState.QUEUED:
        indexes.filter(state=IndexState.FAILED).update(state=IndexState.BUILDING, error="")


def describe_indexes(search_index_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """The names of indexes, for the page of jobs."""
    rows = SearchIndex.objects.filter(id__in=search_index_ids).select_related("knowledge_base")
    return {row.id: Subject(f"Index {row.number} of {row.knowledge_base.name}") for row in rows}


def _place(index: SearchIndex, document: _Waiting, run: JobContext) -> None:
    """Put one document into the index: cut anew, or as it is when people changed its chunks."""
    placement = Placement(
        index.id, index.knowledge_base_id, document.document_id, document.document_version_id, document.title
    )
    with tenant_tx():
        content = (
            OriginalFile.objects.filter(document_version_id=document.document_version_id)
            .values_list("content", flat=True)
            .first()
        )
    # A version whose file is kept no longer cannot be cut anew.
    if document.is_kept_as_cut or content is None:
        with tenant_tx():
            revision = begin_revision(index.knowledge_base_id)
            _fence(index, run)
            copy_document(placement, from_index_id=_active_id(index), revision=revision)
    else:
        try:
            drafts = chunk(extract_safely(bytes(content), document.name), tokens=index.chunk_tokens)
        except Unreadable as problem:
            raise CannotPass(f"“{document.name}” could not be cut anew: {problem.sentence}") from problem
        make_findable(placement, drafts, name=document.name, fence=lambda: _fence(index, run))
    complete_vectors(placement, advance=lambda done, total: _fence(index, run))


def _fence(index: SearchIndex, run: JobContext) -> None:
    """Inside a transaction: raises unless this run still builds the index."""
    run.fence(is_step=True)
    if not SearchIndex.objects.filter(id=index.id, state=IndexState.BUILDING).exists():
        raise Superseded


def _waiting(index: SearchIndex) -> list[_Waiting]:
    """What the active index finds and this one does not, or not by its latest version, or only by sketches."""
    here = IndexedDocument.objects.filter(
        search_index=index, document=OuterRef("document"), document_version=OuterRef("document_version")
    )
    sketched = ChunkSketch.objects.filter(search_index=index, document=OuterRef("document"))
    missing = (
        IndexedDocument.objects.filter(search_index_id=_active_id(index), document__deleted_at=None)
        .annotate(is_here=Exists(here), is_sketched=Exists(sketched), is_changed=Exists(_changed_by_hand()))
        .filter(Q(is_here=False) | Q(is_sketched=True))
        .order_by("id")
        .values_list("document_id", "document_version_id", "document__name", "document__title", "is_changed")
    )
    return [_Waiting(*row) for row in missing]


def _changed_by_hand() -> QuerySet[Chunk]:
    changed: QuerySet[Chunk] = Chunk.objects.filter(
        CHANGED_BY_HAND,
        search_index=OuterRef("search_index"),
        document=OuterRef("document"),
        valid_to=None,
    )
    return changed


def _switch(index: SearchIndex, run: JobContext) -> bool:
    """Make the index active, if nothing is missing in it now; all in one transaction."""
    with tenant_tx():
        revision = begin_revision(index.knowledge_base_id)
        _fence(index, run)
        if _waiting(index):
            return False
        active_id = _active_id(index)
        placed = IndexedDocument.objects.filter(search_index_id=active_id, document__deleted_at=None)
        # Hands may have changed chunks since they were copied: what they left is what counts.
        for row in placed.annotate(is_changed=Exists(_changed_by_hand())).filter(is_changed=True):
            if is_copied(row.document_id, from_index_id=active_id, to_index_id=index.id):
                continue
            title = Document.objects.values_list("title", flat=True).get(id=row.document_id)
            placement = Placement(index.id, index.knowledge_base_id, row.document_id, row.document_version_id, title)
            copy_document(placement, from_index_id=active_id, revision=revision)
        if _waiting(index):
            # Copied chunks whose vectors another model has yet to make.
            return False
        gone = IndexedDocument.objects.filter(search_index=index).exclude(document__in=placed.values("document"))
        _drop(index, list(gone.values_list("document_id", flat=True)))
        now = timezone.now()
        SearchIndex.objects.filter(id=active_id).update(state=IndexState.RETIRED)
        SearchIndex.objects.filter(id=index.id).update(state=IndexState.ACTIVE, activated_at=now, error="")
        _count_chunks(index)
        record(action="search_index.activated", target=index, after={"number": index.number})
        run.complete()
    _forget_oldest(index)
    log.info("search_index.activated", search_index_id=str(index.id), number=index.number)
    return True


def _drop(index: SearchIndex, document_ids: Sequence[UUID]) -> None:
    """Take documents out of an index that is not active yet: they left the active one meanwhile."""
    if not document_ids:
        return
    values: list[Any] = [require_tenant_id(), index.id, list(document_ids)]
    with connection.cursor() as cursor:
        for table in (
            "knowledge_chunkvector",
            "knowledge_chunksketch",
            "knowledge_chunkterms",
            "knowledge_chunk",
            "knowledge_indexeddocument",
        ):
            cursor.execute(
                f"DELETE FROM {table} WHERE tenant_id = %s AND search_index_id = %s"  # noqa: S608 # the names above
                " AND document_id = ANY(%s)",
                values,
            )


def _count_chunks(index: SearchIndex) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE knowledge_document AS document SET chunk_count = placed.chunk_count"
            " FROM knowledge_indexeddocument AS placed"
            " WHERE document.tenant_id = %s AND placed.tenant_id = document.tenant_id"
            " AND placed.document_id = document.id AND placed.search_index_id = %s",
            [require_tenant_id(), index.id],
        )


def _forget_oldest(index: SearchIndex) -> None:
    """Keep the latest few ways back; what a snapshot needs stays."""
    with tenant_tx():
        retired = (
            SearchIndex.objects.filter(knowledge_base_id=index.knowledge_base_id, state=IndexState.RETIRED)
            .filter(snapshots=None)
            .order_by(F("activated_at").desc(nulls_last=True))
        )
        for old in retired[KEPT_INDEXES - 1 :]:
            delete_index(search_index_id=old.id)


def _total(index: SearchIndex) -> int:
    with tenant_tx():
        total: int = IndexedDocument.objects.filter(
            search_index_id=_active_id(index), document__deleted_at=None
        ).count()
        return total


def _active_id(index: SearchIndex) -> UUID:
    active: UUID = SearchIndex.objects.values_list("id", flat=True).get(
        knowledge_base_id=index.knowledge_base_id, state=IndexState.ACTIVE
    )
    return active


def _refuse_second(indexes: QuerySet[SearchIndex]) -> None:
    if indexes.filter(state=IndexState.BUILDING).exists():
        raise Conflict("An index is being built already. Wait for it, or cancel it.")


def _submit(index: SearchIndex) -> None:
    submit(BUILD_JOB, subject_id=index.id, group_id=index.knowledge_base_id)


def _lock_base(knowledge_base_id: UUID) -> KnowledgeBase:
    base: KnowledgeBase | None = (
        KnowledgeBase.objects.select_for_update(no_key=True).filter(id=knowledge_base_id).first()
    )
    if base is None:
        raise NotFound("There is no such knowledge base.")
    return base
