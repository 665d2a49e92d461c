"""Passages nearest in meaning, compared one by one with the question's vector: no answer is missed (T-13)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.knowledge.retrieval.region import Region

# OFFSET 0 keeps the planner from answering the inner query in index order.
_EXACT = """
SELECT chunk_id, distance FROM (
    SELECT chunk_id, embedding <#> %(vector)s::halfvec AS distance FROM {rows} AS rows
    WHERE dimensions = {dimensions} OFFSET 0
) AS compared ORDER BY distance, chunk_id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A passage found by meaning; `similarity` is the cosine, 1 for the same direction."""

    chunk_id: UUID
    similarity: float


def exact_statement(region: Region) -> str:
    """The comparison of a question's vector with every one of a region."""
    return _EXACT.format(rows=region.rows_of("knowledge_chunkvector"), dimensions=region.dimensions)


def find_by_vector(*, region: Region, vector: str, limit: int) -> list[VectorHit]:
    """The `limit` passages nearest to a unit vector (a halfvec literal), nearest first.

    As many as there are, up to `limit`. Inside the caller's transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute(exact_statement(region), region.parameters | {"vector": vector, "limit": limit})
        return [VectorHit(chunk_id, -float(distance)) for chunk_id, distance in cursor.fetchall()]
