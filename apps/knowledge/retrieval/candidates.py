"""The passages that are considered for a question, with their scores by words and by meaning.

Words and meaning each propose some; what stands right beside the best of them is considered too, because the
answer often does. A missing similarity is looked up, so that the fusion compares true values; a missing word
score counts 0, which it nearly is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.knowledge.contracts import PUBLIC, Audience
from apps.knowledge.embedders import Embedder
from apps.knowledge.enums import IndexState
from apps.knowledge.models import Chunk, SearchIndex, Snapshot
from apps.knowledge.retrieval.evidence import Place
from apps.knowledge.retrieval.permitted import permitted_of
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.sections import Sibling
from apps.knowledge.retrieval.sketches import find_by_sketch
from apps.knowledge.retrieval.variety import Vector
from apps.knowledge.retrieval.vectors import find_by_vector
from apps.knowledge.retrieval.words import find_by_words

# Regions that can each be compared with their own vector of the question.
Spaces = Sequence[tuple[Region, str]]

# Up to so many passages before and after a promising one.
_REACH = 2
_SIMILARITIES = """
SELECT chunk_id, -(embedding <#> %(vector)s::halfvec) FROM {rows} AS rows
WHERE dimensions = {dimensions} AND chunk_id = ANY(%(chunks)s)
"""
_PERMITTED = """
SELECT id FROM knowledge_chunk WHERE tenant_id = %(tenant)s AND id = ANY(%(chunks)s) AND {documents}
"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Scores by chunk, best first in each; `proposed` holds the cosines of those that meaning itself proposed."""

    words: dict[UUID, float]
    proposed: dict[UUID, float]
    similarities: dict[UUID, float]


def region_of(base_ids: Sequence[UUID], snapshot_ids: Sequence[UUID] = (), *, audience: Audience = PUBLIC) -> Region:
    """What is searched in these bases: what can be found now, or at a base's snapshot where one is given.

    A snapshot that is gone, or of another base, pins nothing. What the audience may read is asked now in any case.
    """
    pinned: dict[UUID, tuple[UUID, int]] = {}
    if snapshot_ids:
        wanted = Snapshot.objects.filter(id__in=snapshot_ids, knowledge_base_id__in=base_ids)
        pins = wanted.values_list("knowledge_base_id", "search_index_id", "revision")
        pinned = {base_id: (index_id, revision) for base_id, index_id, revision in pins}
    is_searched = Q(knowledge_base_id__in=[base_id for base_id in base_ids if base_id not in pinned])
    is_searched = is_searched & Q(state=IndexState.ACTIVE) | Q(id__in=[index_id for index_id, _ in pinned.values()])
    indexes = SearchIndex.objects.filter(is_searched).annotate(total=Coalesce(Sum("documents__chunk_count"), 0))
    rows = list(indexes.values_list("id", "total", "embedding_model_id", "embedding_model", "dimensions"))
    live = tuple(row[0] for row in rows if all(row[0] != other for other, _ in pinned.values()))
    total, permitted = sum(row[1] for row in rows), permitted_of(base_ids, audience)
    # What has no passages now may have some in a snapshot, so that few are never taken for none.
    share = 1.0 if permitted.only is None or not total else min(1.0, max(1, permitted.passages) / total)
    return Region(
        live,
        total=round(total * share),
        pinned=tuple(pinned.values()),
        permitted=permitted,
        share=share,
        embedders={row[0]: Embedder(*row[2:]) for row in rows},
    )


def spaces_of(region: Region, vectors: Mapping[Embedder, str]) -> Spaces:
    """The parts of a region whose passages can be compared with a vector of the question, each with that vector.

    `vectors` are the question's, as halfvec literals, by the model that made them.
    """
    made_by = region.embedders
    spaces = []
    for embedder, vector in vectors.items():
        part = replace(
            region,
            search_index_ids=tuple(each for each in region.search_index_ids if made_by.get(each) == embedder),
            pinned=tuple((each, revision) for each, revision in region.pinned if made_by.get(each) == embedder),
            dimensions=embedder.dimensions,
        )
        if part.all_index_ids:
            spaces.append((part, vector))
    return spaces


def find_candidates(*, region: Region, spaces: Spaces, question: str, limit: int) -> Candidates:
    """At most `limit` passages by words and `limit` by meaning in each space. Inside the caller's tenant transaction.

    `spaces` are those of `spaces_of`; none when no embedder could be asked.
    """
    words = {hit.chunk_id: hit.score for hit in find_by_words(region=region, query=question, limit=limit)}
    nearest = [
        hit
        for space, vector in (spaces if region.total else ())
        for hit in find_by_vector(region=space, vector=vector, limit=limit)
    ]
    nearest = [*nearest, *find_by_sketch(region=region, question=question, limit=limit)]
    proposed = {hit.chunk_id: hit.similarity for hit in sorted(nearest, key=lambda hit: -hit.similarity)}
    unknown = [key for key in words if key not in proposed]
    return Candidates(words, proposed, proposed | similarities_of(spaces=spaces, chunk_ids=unknown))


def similarities_of(*, spaces: Spaces, chunk_ids: Sequence[UUID]) -> dict[UUID, float]:
    """The cosines of some passages with the question, for those that have a vector already."""
    found: dict[UUID, float] = {}
    for space, vector in spaces if chunk_ids else ():
        statement = _SIMILARITIES.format(rows=space.rows_of("knowledge_chunkvector"), dimensions=space.dimensions)
        with connection.cursor() as cursor:
            cursor.execute(statement, space.parameters | {"vector": vector, "chunks": list(chunk_ids)})
            found |= {chunk_id: float(similarity) for chunk_id, similarity in cursor.fetchall()}
    return found


def vectors_of(*, region: Region, chunk_ids: Sequence[UUID]) -> dict[UUID, Vector]:
    """The unit vectors of some passages, for those that have one already."""
    rows = region.rows_of("knowledge_chunkvector")
    statement = f"SELECT chunk_id, embedding::text FROM {rows} AS rows WHERE chunk_id = ANY(%(chunks)s)"  # noqa: S608 # a table expression of ours
    with connection.cursor() as cursor:
        cursor.execute(statement, region.parameters | {"chunks": list(chunk_ids)})
        return {chunk_id: np.array(json.loads(text), dtype=np.float32) for chunk_id, text in cursor.fetchall()}


def places_of(chunk_ids: Sequence[UUID]) -> dict[UUID, Place]:
    """Where passages stand; those that may not be found any more are left out."""
    rows = _findable().filter(id__in=chunk_ids).values_list("id", "document_id", "ordinal")
    return {key: Place(document_id, ordinal) for key, document_id, ordinal in rows}


def permitted_among(*, region: Region, chunk_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some passages that may be found now."""
    statement = _PERMITTED.format(documents=region.documents)
    with connection.cursor() as cursor:
        cursor.execute(statement, region.parameters | {"chunks": list(places_of(chunk_ids))})
        return {chunk_id for (chunk_id,) in cursor.fetchall()}


def neighbours_of(*, region: Region, places: Sequence[Place]) -> dict[UUID, Place]:
    """The passages up to two places before and after these, in the same (and so permitted) documents."""
    if not places:
        return {}
    near = [
        Q(document_id=place.document, ordinal__range=(place.ordinal - _REACH, place.ordinal + _REACH))
        for place in places
    ]
    rows = _findable().filter(reduce(or_, near), _is_of(region))
    return {
        key: Place(document_id, ordinal)
        for key, document_id, ordinal in rows.values_list("id", "document_id", "ordinal")
    }


def passages_of(*, region: Region, documents: Sequence[UUID], limit: int) -> dict[UUID, Place]:
    """The passages of these documents, the first documents first, at most `limit`."""
    by_document: dict[UUID, list[tuple[UUID, Place]]] = {}
    rows = _findable().filter(_is_of(region), document_id__in=documents).order_by("ordinal")
    for key, document_id, ordinal in rows.values_list("id", "document_id", "ordinal"):
        by_document.setdefault(document_id, []).append((key, Place(document_id, ordinal)))
    return dict([passage for document in documents for passage in by_document.get(document, [])][:limit])


def sections_of(*, region: Region, chunk_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, Sibling]]:
    """For each chunk the chunks of its section in reading order, itself among them."""
    placed = {
        key: (document_id, section)
        for key, document_id, section in _findable()
        .filter(id__in=chunk_ids)
        .values_list("id", "document_id", "section")
    }
    if not placed:
        return {}
    wanted = [Q(document_id=document_id, section=section) for document_id, section in set(placed.values())]
    rows = _findable().filter(reduce(or_, wanted), _is_of(region), is_enabled=True).order_by("ordinal", "edition")
    sections: dict[tuple[UUID, int], dict[UUID, Sibling]] = {}
    for key, document_id, section, text, tokens in rows.values_list(
        "id", "document_id", "section", "text", "token_count"
    ):
        sections.setdefault((document_id, section), {})[key] = Sibling(text, tokens)
    return {key: sections.get(place, {}) for key, place in placed.items()}


def _is_of(region: Region) -> Q:
    is_of = Q(search_index_id__in=region.search_index_ids, valid_to=None)
    for index_id, revision in region.pinned:
        was_there = Q(valid_from__lte=revision) & (Q(valid_to=None) | Q(valid_to__gt=revision))
        is_of |= Q(search_index_id=index_id) & was_there
    return is_of


def _findable() -> QuerySet[Chunk]:
    chunks: QuerySet[Chunk] = Chunk.objects.filter(document__deleted_at=None)
    return chunks
