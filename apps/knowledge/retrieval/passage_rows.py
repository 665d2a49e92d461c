"""Stored passages: where they stand, what stands around them, and what they say.

Plain SQL, because composing these queries cost a search more than running them. Deleted documents have no passages.
Inside the caller's tenant transaction.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.retrieval.evidence import Place
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.sections import Sibling
from parley.tenancy import require_tenant_id

# Up to so many passages before and after a promising one.
_REACH = 2
_FOUND = """
JOIN knowledge_document AS document ON document.tenant_id = chunk.tenant_id AND document.id = chunk.document_id
WHERE chunk.tenant_id = %(tenant)s AND document.deleted_at IS NULL
"""
_PLACES = """
SELECT chunk.id, chunk.document_id, chunk.ordinal FROM knowledge_chunk AS chunk {found} AND chunk.id = ANY(%(chunks)s)
"""
_WITH_NEIGHBOURS = """
SELECT chunk.id, chunk.document_id, chunk.ordinal FROM knowledge_chunk AS chunk {found} AND chunk.id = ANY(%(chunks)s)
UNION
SELECT chunk.id, chunk.document_id, chunk.ordinal
FROM (SELECT document_id AS within, ordinal AS place FROM knowledge_chunk
      WHERE tenant_id = %(tenant)s AND id = ANY(%(promising)s)) AS near
JOIN knowledge_chunk AS chunk
    ON chunk.document_id = near.within AND chunk.ordinal BETWEEN near.place - %(reach)s AND near.place + %(reach)s
{found} AND {validity}
"""
_OF_DOCUMENTS = """
SELECT chunk.id, chunk.document_id, chunk.ordinal FROM knowledge_chunk AS chunk
{found} AND chunk.document_id = ANY(%(documents)s) AND {validity} ORDER BY chunk.ordinal
"""
_SECTIONS = """
SELECT chunk.id, chunk.document_id, chunk.section FROM knowledge_chunk AS chunk {found} AND chunk.id = ANY(%(chunks)s)
"""
_SIBLINGS = """
SELECT chunk.id, chunk.document_id, chunk.section, chunk.text, chunk.token_count
FROM unnest(%(documents)s::uuid[], %(sections)s::int[]) AS wanted (document, section)
JOIN knowledge_chunk AS chunk ON chunk.document_id = wanted.document AND chunk.section = wanted.section
{found} AND chunk.is_enabled AND {validity} ORDER BY chunk.ordinal, chunk.edition
"""
_READ = """
SELECT chunk.id, chunk.document_id, chunk.document_version_id, chunk.knowledge_base_id, chunk.ordinal, chunk.text,
    chunk.headings, chunk.location, coalesce(nullif(document.title, ''), document.name), document.url
FROM knowledge_chunk AS chunk {found} AND chunk.id = ANY(%(chunks)s)
"""


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """A passage as people and models read it; `title` is what the document is called."""

    chunk_id: UUID
    document_id: UUID
    document_version_id: UUID
    knowledge_base_id: UUID
    ordinal: int
    text: str
    headings: tuple[str, ...]
    location: str
    title: str
    url: str


def places_of(chunk_ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Where passages stand; those that may not be found any more are left out."""
    return _placed(_fetch(_PLACES, {"chunks": list(chunk_ids)}))


def places_around(*, region: Region, chunk_ids: Sequence[UUID], promising: Sequence[UUID]) -> dict[UUID, Place]:
    """As `places_of`, and the passages up to two places before and after the `promising` ones among them.

    Those stand in the same, and so in permitted, documents.
    """
    values = {"chunks": list(chunk_ids), "promising": list(promising), "reach": _REACH}
    return _placed(_fetch(_WITH_NEIGHBOURS, values, region)) if chunk_ids else {}


def passages_of(*, region: Region, documents: Sequence[UUID], limit: int) -> dict[UUID, Place]:
    """The passages of these documents, the first documents first, at most `limit`."""
    by_document: dict[Hashable, list[tuple[UUID, Place]]] = {}
    for key, place in _placed(_fetch(_OF_DOCUMENTS, {"documents": list(documents)}, region)).items():
        by_document.setdefault(place.document, []).append((key, place))
    return dict([passage for document in documents for passage in by_document.get(document, [])][:limit])


def sections_of(*, region: Region, chunk_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, Sibling]]:
    """For each chunk the chunks of its section in reading order, itself among them."""
    placed = {key: (document, section) for key, document, section in _fetch(_SECTIONS, {"chunks": list(chunk_ids)})}
    if not placed:
        return {}
    documents, numbers = zip(*set(placed.values()), strict=True)
    sections: dict[tuple[UUID, int], dict[UUID, Sibling]] = {}
    wanted = {"documents": list(documents), "sections": list(numbers)}
    for key, document, section, text, tokens in _fetch(_SIBLINGS, wanted, region):
        sections.setdefault((document, section), {})[key] = Sibling(text, tokens)
    return {key: sections.get(place, {}) for key, place in placed.items()}


def read_passages(chunk_ids: Sequence[UUID]) -> dict[UUID, ReadPassage]:
    """What passages say, by their chunk."""
    return {
        row[0]: ReadPassage(
            chunk_id=row[0],
            document_id=row[1],
            document_version_id=row[2],
            knowledge_base_id=row[3],
            ordinal=row[4],
            text=row[5],
            headings=tuple(json.loads(row[6])),
            location=row[7],
            title=row[8],
            url=row[9],
        )
        for row in _fetch(_READ, {"chunks": list(chunk_ids)})
    }


def _placed(rows: Iterable[tuple[Any, ...]]) -> dict[UUID, Place]:
    return {key: Place(document, ordinal) for key, document, ordinal in rows}


def _fetch(template: str, values: Mapping[str, Any], region: Region | None = None) -> list[tuple[Any, ...]]:
    statement = template.format(found=_FOUND, validity=region.validity if region else "")
    parameters = {**(region.parameters if region else {}), "tenant": require_tenant_id(), **values}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
