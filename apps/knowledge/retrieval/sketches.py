"""Passages of documents that arrived just now: compared roughly until their own vectors are there."""

from __future__ import annotations

from django.db import connection

from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.vectors import VectorHit
from parley.llm import embed_statically

_NEAREST = """
SELECT chunk_id, embedding <#> %(vector)s::halfvec(256) AS distance FROM knowledge_chunksketch
WHERE tenant_id = %(tenant)s AND search_index_id = ANY(%(indexes)s) AND {documents}
ORDER BY distance, chunk_id LIMIT %(limit)s
"""


def find_by_sketch(*, region: Region, question: str, limit: int) -> list[VectorHit]:
    """The `limit` sketched passages nearest to a question; none in almost every search, and of what is pinned.

    Inside the caller's transaction.
    """
    if not region.has_sketches:
        return []
    (vector,) = embed_statically([question])
    values = region.parameters | {"limit": limit, "vector": halfvec_literal(vector)}
    with connection.cursor() as cursor:
        cursor.execute(_NEAREST.format(documents=region.documents), values)
        return [VectorHit(chunk_id, -float(distance)) for chunk_id, distance in cursor.fetchall()]
