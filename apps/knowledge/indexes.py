"""Reads about the indexes of a base: which answers, which is being built, and what another cut would look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.knowledge.ingest.chunk import ChunkDraft, chunk
from apps.knowledge.ingest.sandbox import extract_safely
from apps.knowledge.models import Chunk, Document, OriginalFile, SearchIndex
from parley.errors import NotFound
from parley.tenancy import tenant_tx

PREVIEWED_CHUNKS = 12


@dataclass(frozen=True, slots=True)
class CutPreview:
    """How a document would be cut: the number of chunks now and then, and the first of the new ones."""

    name: str
    chunks_now: int
    chunks_then: int
    first: tuple[ChunkDraft, ...]


def list_indexes(*, knowledge_base_id: UUID) -> QuerySet[Any]:
    """The indexes of a base, newest first, with `document_count`, `chunk_total` and `token_total`."""
    indexes: QuerySet[Any] = (
        SearchIndex.objects.filter(knowledge_base_id=knowledge_base_id)
        .annotate(
            document_count=Count("documents"),
            chunk_total=Coalesce(Sum("documents__chunk_count"), 0),
            token_total=Coalesce(Sum("documents__token_count"), 0),
        )
        .order_by("-number")
    )
    return indexes


def get_index(search_index_id: UUID) -> SearchIndex:
    """An index of a base. Raises `NotFound`."""
    index: SearchIndex | None = SearchIndex.objects.filter(id=search_index_id).first()
    if index is None:
        raise NotFound("There is no such index.")
    return index


def preview_cut(*, document: Document, chunk_tokens: int) -> CutPreview:
    """Cut a document's original as an index of this chunk size would. Call it without a transaction.

    Raises `Unreadable` for a file that cannot be read, `NotFound` when its original is not kept.
    """
    with tenant_tx():
        content = (
            OriginalFile.objects.filter(
                document_version__document=document, document_version__number=document.version_number
            )
            .values_list("content", flat=True)
            .first()
        )
        now = Chunk.objects.filter(document=document, valid_to=None, search_index__state="active").count()
    if content is None:
        raise NotFound("The original of this document is not kept.")
    drafts = chunk(extract_safely(bytes(content), document.name), tokens=chunk_tokens)
    return CutPreview(document.name, now, len(drafts), tuple(drafts[:PREVIEWED_CHUNKS]))
