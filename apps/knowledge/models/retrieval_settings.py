"""How a knowledge base is searched, when its editors want it otherwise than most."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.knowledge.contracts import NO_RERANKER
from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.models import TenantForeignKey, TenantOwned


class StoredRetrievalSettings(TenantOwned):
    """The settings of one base; a base without a row is searched with the defaults of `RetrievalSettings`."""

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    vector_weight = models.FloatField(null=True)
    candidate_count = models.PositiveSmallIntegerField()
    min_relevance = models.FloatField()
    removes_repeats = models.BooleanField()
    diversity = models.FloatField()
    section_tokens = models.PositiveSmallIntegerField(default=0)
    # None, local, or the id of a rerank model, which lies in an app of its own and may be removed.
    reranker = models.CharField(max_length=36, default=NO_RERANKER)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "knowledge_base"], name="knowledge_retrieval_base_key"),
            models.CheckConstraint(
                condition=Q(vector_weight=None) | Q(vector_weight__gte=0.0, vector_weight__lte=1.0),
                name="knowledge_retrieval_weight_range",
            ),
            models.CheckConstraint(
                condition=Q(min_relevance__gte=0.0, min_relevance__lte=1.0, diversity__gte=0.0, diversity__lte=1.0),
                name="knowledge_retrieval_share_range",
            ),
        ]
