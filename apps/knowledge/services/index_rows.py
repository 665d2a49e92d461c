"""The rows that make a document findable, written, ended and removed by whole statements.

None of these opens a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.services.passage_vectors import PassageVector
from apps.knowledge.services.word_rows import WordSource, write_words
from parley.db.ids import uuid7
from parley.tenancy import require_tenant_id

# COPY is refused on tables with row-level security; arrays unnested by one INSERT come close to its speed.
_INSERT_CHUNKS = """
INSERT INTO knowledge_chunk (id, tenant_id, created_at, knowledge_base_id, document_id, document_version_id,
                             search_index_id, edition, ordinal, section, text, headings, location, token_count,
                             origin, is_enabled, file_text, valid_from)
SELECT id, %(tenant)s, now(), %(base)s, %(document)s, %(version)s, %(index)s, %(edition)s,
       ordinal, section, text, headings::jsonb, location, tokens, origin, is_enabled, file_text, %(revision)s
FROM unnest(%(ids)s::uuid[], %(ordinals)s::int[], %(sections)s::int[], %(texts)s::text[], %(headings)s::text[],
            %(locations)s::text[], %(tokens)s::int[], %(origins)s::text[], %(enabled)s::bool[], %(file_texts)s::text[])
     AS draft (id, ordinal, section, text, headings, location, tokens, origin, is_enabled, file_text)
"""
# A vector is valid for as long as its chunk, which may have been ended while the vector was made.
_INSERT_VECTORS = """
INSERT INTO knowledge_chunkvector (id, tenant_id, created_at, search_index_id, document_id, chunk_id,
                                   embedding, dimensions, content_key, valid_from)
SELECT draft.id, chunk.tenant_id, now(), chunk.search_index_id, chunk.document_id, chunk.id,
       draft.embedding::halfvec, vector_dims(draft.embedding::halfvec), draft.content_key, chunk.valid_from
FROM unnest(%(ids)s::uuid[], %(chunks)s::uuid[], %(vectors)s::text[], %(keys)s::uuid[])
     AS draft (id, chunk_id, embedding, content_key)
JOIN knowledge_chunk AS chunk ON chunk.tenant_id = %(tenant)s AND chunk.id = draft.chunk_id
WHERE chunk.valid_to IS NULL AND chunk.is_enabled
"""
_DELETE_SKETCHES = "DELETE FROM knowledge_chunksketch WHERE tenant_id = %(tenant)s AND chunk_id = ANY(%(chunks)s)"
_INSERT_SKETCHES = """
INSERT INTO knowledge_chunksketch
    (id, tenant_id, created_at, search_index_id, document_id, chunk_id, embedding)
SELECT draft.id, chunk.tenant_id, now(), chunk.search_index_id, chunk.document_id, chunk.id, draft.embedding::halfvec
FROM unnest(%(ids)s::uuid[], %(chunks)s::uuid[], %(vectors)s::text[]) AS draft (id, chunk_id, embedding)
JOIN knowledge_chunk AS chunk ON chunk.tenant_id = %(tenant)s AND chunk.id = draft.chunk_id
"""


_CHUNK_WORDS = "SELECT search_index_id, headings::text, text FROM knowledge_chunk WHERE tenant_id = %s AND id = %s"


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """Whose rows are written, where, and from which revision of the base on they are found."""

    search_index_id: UUID
    knowledge_base_id: UUID
    document_id: UUID
    document_version_id: UUID
    title: str
    edition: int
    revision: int


def write_chunks(target: IndexTarget, drafts: Sequence[ChunkDraft]) -> list[UUID]:
    """Insert chunks and their terms; returns their ids in the order of the drafts."""
    ids = [uuid7() for _ in drafts]
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "base": target.knowledge_base_id,
        "document": target.document_id,
        "version": target.document_version_id,
        "index": target.search_index_id,
        "edition": target.edition,
        "revision": target.revision,
        "title": target.title,
        "ids": ids,
        "ordinals": [draft.ordinal for draft in drafts],
        "sections": [draft.section for draft in drafts],
        "texts": [draft.text for draft in drafts],
        "headings": [json.dumps(draft.headings) for draft in drafts],
        "locations": [draft.location[:500] for draft in drafts],
        "tokens": [draft.token_count for draft in drafts],
        "origins": [draft.origin for draft in drafts],
        "enabled": [draft.is_enabled for draft in drafts],
        "file_texts": [draft.file_text for draft in drafts],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_CHUNKS, values)
    write_words(
        search_index_id=target.search_index_id,
        sources=[
            WordSource(chunk_id, (target.title, *draft.headings), draft.text)
            for chunk_id, draft in zip(ids, drafts, strict=True)
            if draft.is_enabled
        ],
    )
    return ids


def write_terms(*, chunk_id: UUID, title: str) -> None:
    """Insert the terms of one chunk, under the title of its document."""
    with connection.cursor() as cursor:
        cursor.execute(_CHUNK_WORDS, [require_tenant_id(), chunk_id])
        search_index_id, headings, text = cursor.fetchone()
    source = WordSource(chunk_id, (title, *json.loads(headings)), text)
    write_words(search_index_id=search_index_id, sources=[source])


def write_vectors(vectors: Sequence[tuple[UUID, PassageVector]]) -> None:
    """Insert the vectors of chunks (by chunk id) in place of their sketches."""
    if not vectors:
        return
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "ids": [uuid7() for _ in vectors],
        "chunks": [chunk_id for chunk_id, _ in vectors],
        "vectors": [vector.literal for _, vector in vectors],
        "keys": [vector.content_key for _, vector in vectors],
    }
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_SKETCHES, values)
        cursor.execute(_INSERT_VECTORS, values)


def write_sketches(sketches: Sequence[tuple[UUID, str]]) -> None:
    """Insert rough vectors (chunk id, halfvec literal) that serve until the chunks' own are there."""
    if not sketches:
        return
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "ids": [uuid7() for _ in sketches],
        "chunks": [chunk_id for chunk_id, _ in sketches],
        "vectors": [literal for _, literal in sketches],
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_SKETCHES, values)


_SEARCHED = ("knowledge_chunkvector", "knowledge_chunkterms")
_OF_CHUNKS = "tenant_id = %(tenant)s AND valid_to IS NULL AND {chunk} = ANY(%(chunks)s)"
# Rows that no snapshot has seen leave nothing behind.
_FORGET = [
    f"DELETE FROM {table} WHERE {_OF_CHUNKS.format(chunk='chunk_id')} AND valid_from > %(kept)s"  # noqa: S608
    for table in _SEARCHED
]
_END = [
    f"UPDATE {table} SET valid_to = %(revision)s WHERE {_OF_CHUNKS.format(chunk='chunk_id')}"  # noqa: S608
    for table in _SEARCHED
]
_END_CHUNKS = f"UPDATE knowledge_chunk SET valid_to = %(revision)s WHERE {_OF_CHUNKS.format(chunk='id')}"  # noqa: S608
_LIVE_CHUNKS = """
SELECT id FROM knowledge_chunk
WHERE tenant_id = %(tenant)s AND document_id = %(document)s AND search_index_id = %(index)s AND valid_to IS NULL
"""
_KEPT = """
SELECT coalesce(max(revision), -1) FROM knowledge_snapshot
WHERE tenant_id = %(tenant)s AND search_index_id = %(index)s
"""


def end_document(*, search_index_id: UUID, document_id: UUID, revision: int) -> None:
    """Let the live chunks of a document in an index be found, and be part of it, no longer than up to `revision`."""
    values: dict[str, Any] = {"tenant": require_tenant_id(), "document": document_id, "index": search_index_id}
    with connection.cursor() as cursor:
        cursor.execute(_LIVE_CHUNKS, values)
        chunk_ids = [chunk_id for (chunk_id,) in cursor.fetchall()]
        if not chunk_ids:
            return
        end_search_rows(search_index_id=search_index_id, chunk_ids=chunk_ids, revision=revision)
        cursor.execute(_END_CHUNKS, {**values, "chunks": chunk_ids, "revision": revision})


def end_search_rows(*, search_index_id: UUID, chunk_ids: Sequence[UUID], revision: int) -> None:
    """Let chunks be found no longer from `revision` on; snapshots of before still find them."""
    values: dict[str, Any] = {"tenant": require_tenant_id(), "index": search_index_id}
    with connection.cursor() as cursor:
        cursor.execute(_KEPT, values)
        (kept,) = cursor.fetchone()
        values |= {"kept": kept, "chunks": list(chunk_ids), "revision": revision}
        for statement in (_DELETE_SKETCHES, *_FORGET, *_END):
            cursor.execute(statement, values)


_DELETE_BY_DOCUMENT = {
    table: f"DELETE FROM {table} WHERE tenant_id = %s AND document_id = %s"  # noqa: S608 # the names below
    for table in (*_SEARCHED, "knowledge_chunksketch", "knowledge_indexeddocument", "knowledge_chunk")
}
_DELETE_BY_BASE = [
    f"DELETE FROM {table} WHERE tenant_id = %s AND document_id IN "  # noqa: S608 # the same names
    "(SELECT id FROM knowledge_document WHERE tenant_id = %s AND knowledge_base_id = %s)"
    for table in _DELETE_BY_DOCUMENT
]


def hide_document(document_id: UUID) -> None:
    """Make a document unfindable at every revision from this transaction on; its chunks stay for `delete_chunks`."""
    _delete([statement for table, statement in _DELETE_BY_DOCUMENT.items() if table != "knowledge_chunk"], document_id)


def hide_documents(document_ids: Sequence[UUID]) -> None:
    """`hide_document` for many, in as many statements as for one."""
    with connection.cursor() as cursor:
        for table, statement in _DELETE_BY_DOCUMENT.items():
            if table != "knowledge_chunk":
                statement = statement.replace("document_id = %s", "document_id = ANY(%s)")
                cursor.execute(statement, [require_tenant_id(), list(document_ids)])


def delete_chunks(document_id: UUID) -> None:
    """Remove every chunk of a document, findable or not."""
    _delete(_DELETE_BY_DOCUMENT.values(), document_id)


def delete_chunks_of_base(knowledge_base_id: UUID) -> None:
    """Remove every chunk of a knowledge base."""
    tenant = require_tenant_id()
    with connection.cursor() as cursor:
        for statement in _DELETE_BY_BASE:
            cursor.execute(statement, [tenant, tenant, knowledge_base_id])


def _delete(statements: Iterable[str], value: UUID) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, [require_tenant_id(), value])
