"""The rows that make a document findable, written and removed by whole statements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.services.passage_vectors import PassageVector
from parley.db.ids import uuid7
from parley.tenancy import require_tenant_id

# COPY is refused on tables with row-level security; arrays unnested by one INSERT come close to its speed.
_INSERT_CHUNKS = """
INSERT INTO knowledge_chunk (id, tenant_id, created_at, knowledge_base_id, document_id, document_version_id,
                             ordinal, text, headings, location, token_count)
SELECT id, %(tenant)s, now(), %(base)s, %(document)s, %(version)s,
       ordinal, text, headings::jsonb, location, tokens
FROM unnest(%(ids)s::uuid[], %(ordinals)s::int[], %(texts)s::text[], %(headings)s::text[],
            %(locations)s::text[], %(tokens)s::int[]) AS draft (id, ordinal, text, headings, location, tokens)
"""
_INSERT_VECTORS = """
INSERT INTO knowledge_chunkvector
    (id, tenant_id, created_at, knowledge_base_id, document_id, chunk_id, embedding, content_key)
SELECT id, %(tenant)s, now(), %(base)s, %(document)s, id, embedding::halfvec(384), content_key
FROM unnest(%(ids)s::uuid[], %(vectors)s::text[], %(keys)s::uuid[]) AS draft (id, embedding, content_key)
"""
# Stemmed words find other forms of a word, words as written find names and codes. What stands in a title or a
# heading names the subject of the chunk: label A.
_INSERT_TERMS = """
INSERT INTO knowledge_chunkterms (id, tenant_id, created_at, knowledge_base_id, document_id, chunk_id, terms)
SELECT id, tenant_id, now(), knowledge_base_id, document_id, id,
       setweight(to_tsvector('english', context), 'A') || setweight(to_tsvector('simple', context), 'A')
       || to_tsvector('english', text) || to_tsvector('simple', text)
FROM knowledge_chunk
CROSS JOIN LATERAL (
    SELECT concat_ws(' ', %(title)s::text, (SELECT string_agg(h, ' ') FROM
                           jsonb_array_elements_text(headings) h))
) AS above (context)
WHERE tenant_id = %(tenant)s AND document_version_id = %(version)s
"""


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Whose rows are written."""

    knowledge_base_id: UUID
    document_id: UUID
    document_version_id: UUID
    title: str


def write_rows(target: IndexTarget, drafts: Sequence[ChunkDraft], vectors: Sequence[PassageVector]) -> None:
    """Insert chunks, vectors (one per draft) and terms. Opens no transaction."""
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "base": target.knowledge_base_id,
        "document": target.document_id,
        "version": target.document_version_id,
        "title": target.title,
        "ids": [uuid7() for _ in drafts],
        "ordinals": [draft.ordinal for draft in drafts],
        "texts": [draft.text for draft in drafts],
        "headings": [json.dumps(draft.headings) for draft in drafts],
        "locations": [draft.location[:500] for draft in drafts],
        "tokens": [draft.token_count for draft in drafts],
        "vectors": [vector.literal for vector in vectors],
        "keys": [vector.content_key for vector in vectors],
    }
    with connection.cursor() as cursor:
        for statement in (_INSERT_CHUNKS, _INSERT_VECTORS, _INSERT_TERMS):
            cursor.execute(statement, values)


_DELETE_BY_DOCUMENT = {
    table: f"DELETE FROM {table} WHERE tenant_id = %s AND document_id = %s"  # noqa: S608 # the names below
    for table in ("knowledge_chunkvector", "knowledge_chunkterms", "knowledge_chunk")
}
_DELETE_BY_BASE = {
    table: f"DELETE FROM {table} WHERE tenant_id = %s AND knowledge_base_id = %s"  # noqa: S608 # the same
    for table in _DELETE_BY_DOCUMENT
}


def hide_document(document_id: UUID) -> None:
    """Make a document unfindable from this transaction on; its chunks stay until `delete_chunks`."""
    _delete(
        [_DELETE_BY_DOCUMENT["knowledge_chunkvector"], _DELETE_BY_DOCUMENT["knowledge_chunkterms"]],
        document_id,
    )


def delete_chunks(document_id: UUID) -> None:
    """Remove every chunk of a document, findable or not."""
    _delete(_DELETE_BY_DOCUMENT.values(), document_id)


def delete_chunks_of_base(knowledge_base_id: UUID) -> None:
    """Remove every chunk of a knowledge base."""
    _delete(_DELETE_BY_BASE.values(), knowledge_base_id)


def _delete(statements: Iterable[str], value: UUID) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, [require_tenant_id(), value])
