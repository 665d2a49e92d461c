"""The chunks of documents, and the narrow rows they are found by.

A chunk is never rewritten: an answer of last year still shows the text that it was based on. What may be found
changes with each *revision* of the base, a number that only rises. A search row is valid from the revision that
made it up to (and not with) the one that ended it; rows without an end are what can be found now, and a snapshot
is no more than a revision to look at. Rows that no snapshot needs are deleted instead of ended.

Deleting a document removes its search rows at every revision, so no search has to remember to leave anything out.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from pgvector.django import HalfVectorField

from apps.knowledge.enums import ChunkOrigin
from apps.knowledge.models.document import Document, DocumentVersion
from apps.knowledge.models.knowledge_base import KnowledgeBase
from apps.knowledge.models.search_index import SearchIndex
from parley.tenancy.models import TenantForeignKey, TenantOwned

SKETCH_DIMENSIONS = 256

_IS_LIVE = Q(valid_to=None)
_IS_ENDED = Q(valid_to__isnull=False)


class Chunk(TenantOwned):
    """A piece of a document as model and reader see it."""

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    document_version = TenantForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+")
    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Counts the writings of one place: reading a version anew and editing a chunk both begin the next.
    edition = models.PositiveIntegerField(default=1)
    ordinal = models.PositiveIntegerField()
    # Chunks of one section share its number: what is found is small, what the model reads may be its section.
    section = models.PositiveIntegerField(default=0)
    text = models.TextField()
    headings: Any = models.JSONField(default=list)
    location = models.CharField(max_length=500)
    token_count = models.PositiveIntegerField()
    origin = models.CharField(max_length=10, choices=ChunkOrigin.choices, default=ChunkOrigin.EXTRACTED)
    is_enabled = models.BooleanField(default=True)
    # What the file says in the place of an edit that was carried over from an older reading.
    file_text = models.TextField(blank=True)
    replaces = TenantForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="+")
    # Part of its document from this revision up to that one, whether or not it may be found.
    valid_from = models.PositiveBigIntegerField(default=0)
    valid_to = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "search_index", "document_version", "edition", "ordinal"],
                name="knowledge_chunk_ordinal_key",
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "document", "search_index", "ordinal"],
                condition=_IS_LIVE,
                name="knowledge_chunk_live",
            )
        ]


class ChunkVector(TenantOwned):
    """The meaning of a chunk: narrow and stored in line, so that an exact scan reads nothing else."""

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk = TenantForeignKey(Chunk, on_delete=models.CASCADE, related_name="+")
    # A unit vector of the index's dimensions; stored without a fixed length because indexes differ.
    embedding = HalfVectorField()
    dimensions = models.PositiveSmallIntegerField()
    # Names the embedded text and its model, so that equal text is never embedded twice for one tenant. None for
    # rows of before it was kept.
    content_key = models.UUIDField(null=True)
    valid_from = models.PositiveBigIntegerField(default=0)
    valid_to = models.PositiveBigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "content_key"], name="knowledge_chunkvector_content"),
            # Points into the table. Holding the vectors once more made the exact comparison no faster (decision 0006).
            models.Index(fields=["tenant", "search_index"], condition=_IS_LIVE, name="knowledge_chunkvector_live"),
            models.Index(
                fields=["tenant", "search_index", "valid_to"], condition=_IS_ENDED, name="knowledge_chunkvector_ended"
            ),
        ]


class ChunkSketch(TenantOwned):
    """A rough meaning, made in microseconds from word vectors; it serves until the chunk's own vector is there."""

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk = TenantForeignKey(Chunk, on_delete=models.CASCADE, related_name="+")
    embedding = HalfVectorField(dimensions=SKETCH_DIMENSIONS)

    class Meta:
        indexes = [models.Index(fields=["tenant", "search_index"], name="knowledge_chunksketch_index")]


class ChunkTerms(TenantOwned):
    """That a chunk may be found by its words, which stand under its number in `WordPostings`."""

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    chunk = TenantForeignKey(Chunk, on_delete=models.CASCADE, related_name="+")
    # Counts from 0 within the index; never used twice.
    number = models.PositiveIntegerField()
    valid_from = models.PositiveBigIntegerField(default=0)
    valid_to = models.PositiveBigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "search_index", "number"], include=["chunk"], name="knowledge_chunkterms_number_key"
            )
        ]
        indexes = [
            models.Index(
                fields=["tenant", "search_index", "valid_to"], condition=_IS_ENDED, name="knowledge_chunkterms_ended"
            ),
        ]
