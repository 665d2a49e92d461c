"""The passages that are considered for a question, with their scores by words and by meaning.

Words and meaning each propose some; what stands right beside the best of them is considered too, because the
answer often does. A missing similarity is looked up, so that the fusion compares true values; a missing word
score counts 0, which it nearly is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection

from apps.knowledge.contracts import PUBLIC, Audience
from apps.knowledge.embedders import Embedder
from apps.knowledge.enums import IndexState
from apps.knowledge.models import Snapshot
from apps.knowledge.retrieval.passage_rows import places_of
from apps.knowledge.retrieval.permitted import permitted_of
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.sketches import find_by_sketch
from apps.knowledge.retrieval.variety import Vector
from apps.knowledge.retrieval.vectors import find_by_vector
from apps.knowledge.retrieval.words import find_by_words
from parley.tenancy import require_tenant_id

# Regions that can each be compared with their own vector of the question.
Spaces = Sequence[tuple[Region, str]]

_INDEXES = """
SELECT index.id, coalesce(sum(indexed.chunk_count), 0)::int, EXISTS (
        SELECT FROM knowledge_chunksketch AS sketch
        WHERE sketch.tenant_id = index.tenant_id AND sketch.search_index_id = index.id
    ), index.embedding_model_id, index.embedding_model, index.dimensions
FROM knowledge_searchindex AS index
LEFT JOIN knowledge_indexeddocument AS indexed
    ON indexed.tenant_id = index.tenant_id AND indexed.search_index_id = index.id
WHERE index.tenant_id = %(tenant)s AND (
    index.knowledge_base_id = ANY(%(live_bases)s::uuid[]) AND index.state = %(active)s
    OR index.id = ANY(%(pinned_indexes)s::uuid[]))
GROUP BY index.id
"""
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
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "live_bases": [base_id for base_id in base_ids if base_id not in pinned],
        "pinned_indexes": [index_id for index_id, _ in pinned.values()],
        "active": IndexState.ACTIVE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES, values)
        rows = cursor.fetchall()
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
        has_sketches=any(row[2] for row in rows),
        embedders={row[0]: Embedder(*row[3:]) for row in rows},
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


def permitted_among(*, region: Region, chunk_ids: Sequence[UUID]) -> set[UUID]:
    """Those of some passages that may be found now."""
    statement = _PERMITTED.format(documents=region.documents)
    with connection.cursor() as cursor:
        cursor.execute(statement, region.parameters | {"chunks": list(places_of(chunk_ids))})
        return {chunk_id for (chunk_id,) in cursor.fetchall()}
