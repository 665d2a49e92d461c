"""What people really asked: one row for each base that a conversation searched."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from pgvector.django import HalfVectorField

from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantForeignKey, TenantOwned


class RecordedSearch(TenantOwned):
    """One search of a conversation in one base, and what came of it. Kept for `searches.KEPT_FOR`.

    `question` is what was searched for: the question as it makes sense without the conversation. `found_count` is
    over all bases of the answer. Conversations lie above this app, so theirs are plain ids.
    """

    # The sweep looks for what is too old.
    platform_access: ClassVar[PlatformAccess] = "read"

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    question = models.TextField()
    found_count = models.PositiveSmallIntegerField()
    # In [0, 1], of the best passage; None when nothing was found.
    best_relevance = models.FloatField(null=True)
    is_refusal = models.BooleanField()
    conversation_id = models.UUIDField()
    message_id = models.UUIDField()
    # By the bundled embedder, and only for questions that stayed without an answer: these are put together.
    embedding = HalfVectorField(null=True)
    dismissed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "message_id"], name="knowledge_search_once_an_answer"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "knowledge_base", "-id"], name="knowledge_searches_latest"),
            models.Index(fields=["created_at"], name="knowledge_searches_by_age"),
        ]

    def __str__(self) -> str:
        return self.question
