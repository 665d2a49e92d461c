"""How a base is searched: one index answers, others are built beside it or kept as a way back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.knowledge.enums import IndexState
from apps.knowledge.ingest.limits import CHUNK_TOKENS
from apps.knowledge.models.document import Document, DocumentVersion
from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.models import TenantForeignKey, TenantOwned

LOCAL_DIMENSIONS = 384
MAX_DIMENSIONS = 3_072


class SearchIndex(TenantOwned):
    """One cutting and embedding of all documents of a base. Its settings never change: others need another index."""

    platform_access = "read"

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="search_indexes")
    # Counts from 1 within the base; people see it.
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=IndexState.choices, default=IndexState.ACTIVE)
    # How long a chunk may become, in tokens of the built-in embedder.
    chunk_tokens = models.PositiveSmallIntegerField(default=CHUNK_TOKENS)
    # The model that made the vectors, by its own name; empty until the first document was embedded.
    embedding_model = models.CharField(max_length=200, blank=True)
    # The gateway's id of it, or of the one that was asked for. It may be gone; None is what search is routed to.
    embedding_model_id = models.UUIDField(null=True)
    dimensions = models.PositiveSmallIntegerField(default=LOCAL_DIMENSIONS)
    # The next chunk's number among the words of this index.
    next_number = models.PositiveIntegerField(default=0)
    activated_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "knowledge_base", "number"], name="knowledge_index_number_key"),
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base"],
                condition=Q(state=IndexState.ACTIVE),
                name="knowledge_index_active_key",
            ),
            models.CheckConstraint(
                condition=Q(dimensions__gte=1, dimensions__lte=MAX_DIMENSIONS), name="knowledge_index_dimensions_range"
            ),
        ]


class IndexedDocument(TenantOwned):
    """That a document may be found in an index, and by which of its versions."""

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="documents")
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    document_version = TenantForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+")
    # Which writing of this version: a version that is read anew gets new chunks beside its old ones.
    edition = models.PositiveIntegerField(default=1)
    chunk_count = models.PositiveIntegerField(default=0)
    token_count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "search_index", "document"], name="knowledge_indexed_key")
        ]
