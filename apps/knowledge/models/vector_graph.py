"""Which large indexes have an HNSW graph of their own, and how it is to be searched."""

from __future__ import annotations

from django.db import models

from apps.knowledge.enums import GraphState
from apps.knowledge.models.search_index import SearchIndex
from parley.tenancy.models import TenantForeignKey, TenantOwned


class VectorGraph(TenantOwned):
    """The partial HNSW index over the live vectors of one search index; written by maintenance only.

    Nothing depends on it: while it is being built, is broken or is gone, the same question is answered by
    comparing every vector.
    """

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    state = models.CharField(max_length=10, choices=GraphState.choices)
    dimensions = models.PositiveSmallIntegerField()
    # Chosen so that the measured recall of the ten nearest is high enough.
    ef_search = models.PositiveIntegerField(default=0)
    recall = models.FloatField(null=True)
    # Vectors when recall was last measured.
    row_count = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    build_seconds = models.FloatField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "search_index"], name="knowledge_vectorgraph_key")]
