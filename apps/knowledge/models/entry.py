"""Questions with their answers, typed in: FAQ entries beside the documents, curated answers before them."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from apps.knowledge.enums import EntryKind
from apps.knowledge.models.document import MAX_TAG_CHARS, Document
from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.models import TenantForeignKey, TenantOwned


class Entry(TenantOwned):
    """A question, other ways to put it, and the answer.

    Its words are found through a document of their own. An FAQ entry has one from the beginning; a curated answer
    gets it with its approval and loses it when it is withdrawn or changed.
    """

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=10, choices=EntryKind.choices)
    question = models.CharField(max_length=300)
    phrasings: Any = models.JSONField(default=list)
    answer = models.TextField()
    # As those of its document, which takes them over.
    metadata: Any = models.JSONField(default=dict)
    access_tags = ArrayField(models.CharField(max_length=MAX_TAG_CHARS), default=list)
    document = TenantForeignKey(Document, on_delete=models.SET_NULL, null=True, related_name="+")
    # Only curated answers are approved: what a person signed is said word for word.
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey("tenants.User", on_delete=models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "knowledge_base", "kind"], name="knowledge_entry_of_base")]

    def __str__(self) -> str:
        return self.question


class EntryPhrasing(TenantOwned):
    """One way to ask an approved question; whoever asks like this gets its answer."""

    entry = TenantForeignKey(Entry, on_delete=models.CASCADE, related_name="+")
    # As compared: lower case, without signs at the end.
    plain = models.CharField(max_length=300)
    # Of `model`; None until the job has been there.
    embedding = HalfVectorField(null=True)
    model = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "entry"], condition=Q(embedding__isnull=False), name="knowledge_phrasing_made"
            )
        ]
