"""Passages nearest in meaning: every tenant gets its true neighbours, whatever the size of the others (T-13).

Small indexes are compared one by one, which is exact. A large index has an HNSW graph of its own vectors (a
partial index, see decision 0006), which knows nothing of others; its `ef_search` was chosen by measuring recall.
Wherever a graph is missing, unfinished, or returns fewer passages than asked for, every vector is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.retrieval.region import Region

# From here on a graph is worth its planning (4 µs for each graph of the table) and its memory.
GRAPH_FROM = 3_000
# A graph that leaves most of what it meets out walks far; up to so many permitted passages are compared instead.
FILTERED_GRAPH_FROM = 10_000
# The highest `ef_search` that pgvector takes.
_MOST_EFFORT = 1_000

# OFFSET 0 keeps the planner from answering the inner query in index order.
_EXACT = """
SELECT chunk_id, distance FROM (
    SELECT chunk_id, embedding <#> %(vector)s::halfvec AS distance FROM {rows} AS rows
    WHERE dimensions = {dimensions} OFFSET 0
) AS compared ORDER BY distance, chunk_id LIMIT %(limit)s
"""
_GRAPHS = """
SELECT search_index_id, ef_search FROM knowledge_vectorgraph
WHERE tenant_id = %(tenant)s AND search_index_id = ANY(%(indexes)s) AND state = 'ready' AND dimensions = {dimensions}
"""
# The planner is not to weigh a graph against sorting: it knows nothing of how the vectors of one index lie. If the
# graph is gone after all, it sorts.
_BEGIN = """
SET LOCAL enable_sort = off; SET LOCAL hnsw.iterative_scan = 'strict_order'; SET LOCAL hnsw.ef_search = {ef_search};
"""
_END = "SET LOCAL enable_sort = on"
# The condition of the partial index, word for word, with the index's id as a literal.
_NEAREST = """
SELECT chunk_id, (embedding::halfvec({dimensions})) <#> %(vector)s::halfvec({dimensions}) AS distance
FROM knowledge_chunkvector
WHERE tenant_id = %(tenant)s AND {condition} AND {documents}
ORDER BY (embedding::halfvec({dimensions})) <#> %(vector)s::halfvec({dimensions}) LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A passage found by meaning; `similarity` is the cosine, 1 for the same direction."""

    chunk_id: UUID
    similarity: float


def exact_statement(region: Region) -> str:
    """The comparison of a question's vector with every one of a region."""
    return _EXACT.format(rows=region.rows_of("knowledge_chunkvector"), dimensions=region.dimensions)


def graph_condition(search_index_id: UUID, dimensions: int) -> str:
    """What the vectors of a graph have in common; the same words when it is built and when it is searched."""
    return f"search_index_id = '{search_index_id}'::uuid AND dimensions = {dimensions} AND valid_to IS NULL"


def graph_statement(search_index_id: UUID, dimensions: int, documents: str = "true") -> str:
    """The walk through the graph of one index; it goes on until it met enough passages of the `documents`."""
    condition = graph_condition(search_index_id, dimensions)
    return _NEAREST.format(condition=condition, dimensions=dimensions, documents=documents)


def find_by_vector(*, region: Region, vector: str, limit: int) -> list[VectorHit]:
    """The `limit` passages nearest to a unit vector (a halfvec literal), nearest first.

    As many as there are, up to `limit`. Inside the caller's transaction.
    """
    graphs = _graphs(region)
    found: list[VectorHit] = []
    compared = [index_id for index_id in region.search_index_ids if index_id not in graphs]
    for index_id, ef_search in graphs.items():
        # Among so many neighbours there are about as many permitted ones as were asked for.
        effort = min(_MOST_EFFORT, round(max(ef_search, limit) / region.share))
        nearest = _walk(region, index_id, effort, {"vector": vector, "limit": limit})
        if len(nearest) < limit:
            compared.append(index_id)
        else:
            found += nearest
    if compared or region.pinned:
        rest = replace(region, search_index_ids=tuple(compared))
        found += _fetch(exact_statement(rest), rest.parameters | {"vector": vector, "limit": limit})
    return sorted(found, key=lambda hit: (-hit.similarity, hit.chunk_id))[:limit]


def _graphs(region: Region) -> dict[UUID, int]:
    """The searchable graphs of what a region searches live, with their `ef_search`. Snapshots have none."""
    if region.total < (GRAPH_FROM if region.permitted.is_everything else FILTERED_GRAPH_FROM):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_GRAPHS.format(dimensions=region.dimensions), region.parameters)
        return dict(cursor.fetchall())


def _walk(region: Region, index_id: UUID, ef_search: int, values: dict[str, Any]) -> list[VectorHit]:
    statement = graph_statement(index_id, region.dimensions, region.documents)
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN.format(ef_search=ef_search))
    found = _fetch(statement, region.parameters | values)
    with connection.cursor() as cursor:
        cursor.execute(_END)
    return found


def _fetch(statement: str, values: dict[str, Any]) -> list[VectorHit]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: Sequence[tuple[UUID, float]] = cursor.fetchall()
        return [VectorHit(chunk_id, -float(distance)) for chunk_id, distance in rows]
