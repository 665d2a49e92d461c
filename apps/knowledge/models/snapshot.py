"""A moment of a base that can be searched later as it was."""

from __future__ import annotations

from django.db import models

from apps.knowledge.models.knowledge_base import KnowledgeBase
from apps.knowledge.models.search_index import SearchIndex
from parley.tenancy.models import TenantForeignKey, TenantOwned


class Snapshot(TenantOwned):
    """What could be found in an index at one revision of its base. Deleted documents leave it, too."""

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="snapshots")
    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="snapshots")
    number = models.PositiveIntegerField()
    revision = models.PositiveBigIntegerField()
    name = models.CharField(max_length=120)
    note = models.CharField(max_length=500, blank=True)
    author_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "number"], name="knowledge_snapshot_number_key"
            ),
            models.UniqueConstraint(fields=["tenant", "knowledge_base", "name"], name="knowledge_snapshot_name_key"),
        ]

    def __str__(self) -> str:
        return self.name
