"""The chunks of documents, and the narrow rows they are found by.

A row in `ChunkVector` and `ChunkTerms` exists exactly while its document may be found. Deleting or failing a
document removes those rows, so no search has to remember to leave anything out.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.search import SearchVectorField
from django.db import models
from pgvector.django import HalfVectorField, HnswIndex

from apps.knowledge.models.document import Document, DocumentVersion
from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.models import TenantForeignKey, TenantOwned

DIMENSIONS = 384


class Chunk(TenantOwned):
    """A piece of a document as model and reader see it; never changed, only replaced with its version."""

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+")
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    document_version = TenantForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+")
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    headings: Any = models.JSONField(default=list)
    location = models.CharField(max_length=500)
    token_count = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "document_version", "ordinal"], name="knowledge_chunk_ordinal_key"
            )
        ]


class ChunkVector(TenantOwned):
    """The meaning of a chunk: narrow and stored in line, so that an exact scan reads nothing else."""

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk = TenantForeignKey(Chunk, on_delete=models.CASCADE, related_name="+", db_index=False)
    embedding = HalfVectorField(dimensions=DIMENSIONS)
    # Names the embedded text and its model, so that equal text is never embedded twice for one tenant. None for
    # rows of before it was kept.
    content_key = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "chunk"], name="knowledge_chunkvector_chunk_key")]
        indexes = [
            models.Index(fields=["tenant", "content_key"], name="knowledge_chunkvector_content"),
            # The vectors once more, side by side for each base: the exact scan reads this index and nothing else.
            models.Index(
                fields=["tenant", "knowledge_base"],
                include=["chunk", "embedding"],
                name="knowledge_chunkvector_base",
            ),
            HnswIndex(
                name="knowledge_chunkvector_hnsw",
                fields=["embedding"],
                m=16,
                ef_construction=100,
                opclasses=["halfvec_ip_ops"],
            ),
        ]


class ChunkTerms(TenantOwned):
    """The words of a chunk, stemmed and as written.

    No GIN index: `@@` is not leakproof, so PostgreSQL never uses one below row-level security (safety.md §1).
    """

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk = TenantForeignKey(Chunk, on_delete=models.CASCADE, related_name="+", db_index=False)
    terms = SearchVectorField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "chunk"], name="knowledge_chunkterms_chunk_key")]
        indexes = [models.Index(fields=["tenant", "knowledge_base"], name="knowledge_chunkterms_base")]
