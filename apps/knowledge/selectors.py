"""Reads about knowledge: lists for the pages, and the one `search` that everything uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.gateway.services import embeddings
from apps.knowledge.contracts import MAX_SEARCH_RESULTS, Passage
from apps.knowledge.enums import UNFINISHED, DocumentStatus, IndexState
from apps.knowledge.models import Chunk, Document, KnowledgeBase, SearchIndex
from apps.knowledge.retrieval.fusion import fuse
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.sketches import find_by_sketch
from apps.knowledge.retrieval.vectors import VectorHit, find_by_vector
from apps.knowledge.retrieval.words import MAX_QUERY_CHARS, WordHit, find_by_words
from parley.errors import Invalid, NotFound, Problem
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

_CANDIDATES_PER_RESULT = 4
_MIN_CANDIDATES = 40
_NO_BASE = "There is no such knowledge base."
_NO_DOCUMENT = "There is no such document."


def list_knowledge_bases() -> QuerySet[Any]:
    """Knowledge bases of the ambient tenant, newest first.

    With `document_count`, `failed_count`, `unfinished_count`, `chunk_total` and `size_total`.
    """
    alive = Q(documents__deleted_at=None)
    bases: QuerySet[Any] = KnowledgeBase.objects.annotate(
        document_count=Count("documents", filter=alive),
        failed_count=Count("documents", filter=alive & Q(documents__status=DocumentStatus.FAILED)),
        unfinished_count=Count("documents", filter=alive & Q(documents__status__in=UNFINISHED)),
        chunk_total=Coalesce(Sum("documents__chunk_count", filter=alive), 0),
        size_total=Coalesce(Sum("documents__size_bytes", filter=alive), 0),
    ).order_by("-id")
    return bases


def get_knowledge_base(knowledge_base_id: UUID) -> KnowledgeBase:
    """A knowledge base with the counts of `list_knowledge_bases`. Raises `NotFound`."""
    base: KnowledgeBase | None = list_knowledge_bases().filter(id=knowledge_base_id).first()
    if base is None:
        raise NotFound(_NO_BASE)
    return base


def list_documents(*, knowledge_base_id: UUID, external_id: str = "") -> QuerySet[Document]:
    """Documents of a knowledge base that are not deleted, newest first; with an `external_id` the one so called."""
    documents: QuerySet[Document] = Document.objects.filter(knowledge_base_id=knowledge_base_id, deleted_at=None)
    if external_id:
        documents = documents.filter(external_id=external_id)
    return documents.order_by("-id")


def get_document(document_id: UUID, *, for_update: bool = False) -> Document:
    """A document with its knowledge base, locked if asked. Raises `NotFound`, also for deleted ones."""
    documents: QuerySet[Document] = Document.objects.filter(deleted_at=None).select_related("knowledge_base")
    if for_update:
        documents = documents.select_for_update(of=("self",))
    document = documents.filter(id=document_id).first()
    if document is None:
        raise NotFound(_NO_DOCUMENT)
    return document


def list_chunks(*, document_id: UUID) -> QuerySet[Chunk]:
    """The chunks that a document has now in its base's active index, in reading order."""
    chunks: QuerySet[Chunk] = Chunk.objects.filter(
        document_id=document_id, valid_to=None, search_index__state=IndexState.ACTIVE
    ).order_by("ordinal", "edition")
    return chunks


def find_ordinal(*, document_id: UUID, chunk_id: UUID) -> int | None:
    """The place of a chunk in its document, counted from 0; None when it was replaced."""
    ordinals = list_chunks(document_id=document_id).filter(id=chunk_id).values_list("ordinal", flat=True)
    found: int | None = ordinals.first()
    return found


def search(*, knowledge_base_ids: Sequence[UUID], query: str, limit: int = 8) -> list[Passage]:
    """The passages of these knowledge bases that fit a question best, best first.

    Words and meaning are looked up separately and fused by rank. Unknown bases are ignored. Without an
    embedder the words alone decide. Call it without a transaction and with an ambient tenant: the question is
    embedded first, then one transaction reads. Raises `Invalid` for a question that is empty or too long.
    """
    question = " ".join(query.split())
    if not question:
        raise Invalid("Write what to search for.", errors={"query": ["Write what to search for."]})
    if len(question) > MAX_QUERY_CHARS:
        sentence = f"A question may have {MAX_QUERY_CHARS:,} characters at most."
        raise Invalid(sentence, errors={"query": [sentence]})
    limit = max(1, min(limit, MAX_SEARCH_RESULTS))
    if not knowledge_base_ids:
        return []
    vector = _embed(question)
    with tenant_tx():
        return _search(list(knowledge_base_ids), question, vector, limit)


def _embed(question: str) -> str | None:
    try:
        (vector,) = embeddings.embed(texts=[question], kind="query")
    except (LlmError, Problem) as problem:
        log.warning("search.without_vectors", error=type(problem).__name__)
        return None
    return "[" + ",".join(f"{value:.6f}" for value in vector) + "]"


def _search(base_ids: list[UUID], question: str, vector: str | None, limit: int) -> list[Passage]:
    region = _live_region(base_ids)
    depth = max(_MIN_CANDIDATES, _CANDIDATES_PER_RESULT * limit)
    by_words = find_by_words(region=region, query=question, limit=depth)
    by_vector: list[VectorHit] = []
    if vector is not None and region.total:
        by_vector = find_by_vector(region=region, vector=vector, limit=depth)
    by_vector = sorted(
        [*by_vector, *find_by_sketch(region=region, question=question, limit=depth)],
        key=lambda hit: -hit.similarity,
    )
    rankings = [[hit.chunk_id for hit in by_words]]
    if by_vector or vector is not None:
        rankings.append([hit.chunk_id for hit in by_vector])
    scores = dict(list(fuse(rankings).items())[:limit])
    return _passages(scores, by_words, by_vector)


def _live_region(base_ids: list[UUID]) -> Region:
    indexes = SearchIndex.objects.filter(knowledge_base_id__in=base_ids, state=IndexState.ACTIVE).annotate(
        total=Coalesce(Sum("documents__chunk_count"), 0)
    )
    found = list(indexes.values_list("id", "total"))
    return Region(tuple(index_id for index_id, _ in found), total=sum(total for _, total in found))


def _passages(scores: dict[UUID, float], by_words: Sequence[WordHit], by_vector: Sequence[VectorHit]) -> list[Passage]:
    chunks: dict[UUID, Any] = {
        chunk.id: chunk
        for chunk in Chunk.objects.filter(
            id__in=list(scores), is_enabled=True, document__deleted_at=None
        ).select_related("document")
    }
    similarities = {hit.chunk_id: hit.similarity for hit in by_vector}
    worded = {hit.chunk_id for hit in by_words}
    return [
        _passage(chunks[chunk_id], score, similarities.get(chunk_id), matches_words=chunk_id in worded)
        for chunk_id, score in scores.items()
        if chunk_id in chunks
    ]


def _passage(chunk: Chunk, score: float, similarity: float | None, *, matches_words: bool) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        document_version_id=chunk.document_version_id,
        knowledge_base_id=chunk.knowledge_base_id,
        title=chunk.document.shown_title,
        text=chunk.text,
        score=round(score, 4),
        location=chunk.location,
        headings=tuple(chunk.headings),
        similarity=None if similarity is None else round(similarity, 4),
        matches_words=matches_words,
    )
