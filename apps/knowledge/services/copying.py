"""Copies a document's chunks from one index into another as they are, with what people changed in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.ingest.chunk import embedded_text
from apps.knowledge.models import Chunk, IndexedDocument, SearchIndex
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.services.findability import Placement, next_edition
from apps.knowledge.services.index_rows import end_document, write_sketches
from apps.knowledge.services.word_rows import WordSource, write_words
from parley.db.ids import uuid7
from parley.llm import embed_statically
from parley.tenancy import require_tenant_id

_COPY_CHUNKS = """
INSERT INTO knowledge_chunk (id, tenant_id, created_at, knowledge_base_id, document_id, document_version_id,
                             search_index_id, edition, ordinal, section, text, headings, location, token_count,
                             origin, is_enabled, file_text, valid_from)
SELECT copied.id, old.tenant_id, now(), old.knowledge_base_id, old.document_id, old.document_version_id,
       %(index)s, %(edition)s, old.ordinal, old.section, old.text, old.headings, old.location, old.token_count,
       old.origin, old.is_enabled, old.file_text, %(revision)s
FROM unnest(%(olds)s::uuid[], %(news)s::uuid[]) AS copied (old_id, id)
JOIN knowledge_chunk AS old ON old.tenant_id = %(tenant)s AND old.id = copied.old_id
"""
_COPY_VECTORS = """
INSERT INTO knowledge_chunkvector (id, tenant_id, created_at, search_index_id, document_id, chunk_id,
                                   embedding, dimensions, content_key, valid_from)
SELECT gen_random_uuid(), old.tenant_id, now(), %(index)s, old.document_id, copied.id,
       old.embedding, old.dimensions, old.content_key, %(revision)s
FROM unnest(%(olds)s::uuid[], %(news)s::uuid[]) AS copied (old_id, id)
JOIN knowledge_chunkvector AS old
  ON old.tenant_id = %(tenant)s AND old.chunk_id = copied.old_id AND old.valid_to IS NULL
"""
_COPY_SKETCHES = """
INSERT INTO knowledge_chunksketch (id, tenant_id, created_at, search_index_id, document_id, chunk_id, embedding)
SELECT gen_random_uuid(), old.tenant_id, now(), %(index)s, old.document_id, copied.id, old.embedding
FROM unnest(%(olds)s::uuid[], %(news)s::uuid[]) AS copied (old_id, id)
JOIN knowledge_chunksketch AS old ON old.tenant_id = %(tenant)s AND old.chunk_id = copied.old_id
"""


def is_copied(document_id: UUID, *, from_index_id: UUID, to_index_id: UUID) -> bool:
    """Whether both indexes hold the document chunk for chunk alike. Opens no transaction."""
    fields = ("ordinal", "text", "headings", "is_enabled", "origin")
    live = Chunk.objects.filter(document_id=document_id, valid_to=None).order_by("ordinal", "edition")
    one, other = (
        list(live.filter(search_index_id=index_id).values_list(*fields)) for index_id in (from_index_id, to_index_id)
    )
    return one == other


def copy_document(placement: Placement, *, from_index_id: UUID, revision: int) -> None:
    """Let `placement`'s index hold the document chunk for chunk as another index does. Opens no transaction.

    Vectors come along when the same model made them; otherwise the chunks are sketched until they have their own.
    """
    chunks = list(
        Chunk.objects.filter(document_id=placement.document_id, search_index_id=from_index_id, valid_to=None).order_by(
            "ordinal", "edition"
        )
    )
    news = {chunk.id: uuid7() for chunk in chunks}
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "index": placement.search_index_id,
        "edition": next_edition(
            search_index_id=placement.search_index_id, document_version_id=placement.document_version_id
        ),
        "revision": revision,
        "olds": list(news),
        "news": list(news.values()),
    }
    end_document(search_index_id=placement.search_index_id, document_id=placement.document_id, revision=revision)
    found = [chunk for chunk in chunks if chunk.is_enabled]
    models = SearchIndex.objects.filter(id__in=[from_index_id, placement.search_index_id])
    is_same_model = len(set(models.values_list("embedding_model", "embedding_model_id"))) == 1
    with connection.cursor() as cursor:
        cursor.execute(_COPY_CHUNKS, values)
        for statement in (_COPY_VECTORS, _COPY_SKETCHES) if is_same_model else ():
            cursor.execute(statement, values)
    if not is_same_model:
        texts = [embedded_text(placement.title, chunk.headings, chunk.text) for chunk in found]
        sketches = embed_statically(texts)
        write_sketches(
            [(news[chunk.id], halfvec_literal(sketch)) for chunk, sketch in zip(found, sketches, strict=True)]
        )
    write_words(
        search_index_id=placement.search_index_id,
        sources=[
            WordSource(news[chunk.id], [*([placement.title] if placement.title else []), *chunk.headings], chunk.text)
            for chunk in found
        ],
    )
    IndexedDocument.objects.update_or_create(
        search_index_id=placement.search_index_id,
        document_id=placement.document_id,
        defaults={
            "document_version_id": placement.document_version_id,
            "edition": values["edition"],
            "chunk_count": len(found),
            "token_count": sum(chunk.token_count for chunk in found),
        },
    )
