"""The knowledge base: a set of documents that assistants may answer from."""

from __future__ import annotations

from django.db import models

from parley.tenancy.models import TenantOwned


class KnowledgeBase(TenantOwned):
    """A set of documents that assistants may answer from."""

    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True)
    # A dictionary of `retrieval.languages`; `auto` recognises each document's own.
    language = models.CharField(max_length=20, default="auto")
    # Rises with every change of what can be found.
    revision = models.PositiveBigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name
