"""The words of an index: a b-tree inverted index, because below row-level security no other kind is used.

`@@`, `%` and `&&` are not leakproof, so PostgreSQL runs them only after the tenant's policy, on every row; equality
is, so rows found by (segment, bucket, word) are all that a question reads.

Each chunk has a number within its index (`ChunkTerms.number`). Numbers are cut into blocks of 65,536; what is
written together makes a segment of one block, and segments of one block are merged as they become many. Chunks
that are gone stay in their segment until it is merged or tidied: whoever searches asks `ChunkTerms` who is there.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.knowledge.models.search_index import SearchIndex
from parley.tenancy import require_tenant_id
from parley.tenancy.models import TenantForeignKey, TenantOwned


class WordSegment(TenantOwned):
    """Postings that were written together, or merged."""

    search_index = TenantForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="+", db_index=False)
    block = models.PositiveIntegerField()
    # How many times it was merged: like is merged with like, so that a posting is copied a few times only.
    level = models.PositiveSmallIntegerField(default=0)
    chunk_count = models.PositiveIntegerField()
    word_count = models.PositiveBigIntegerField()
    languages = ArrayField(models.CharField(max_length=20), default=list)

    class Meta:
        indexes = [models.Index(fields=["tenant", "search_index"], name="knowledge_wordsegment_index")]


class WordPostings(TenantOwned):
    """In which chunks of a segment a word stands, how often, and how long they are."""

    # Nobody asks for the postings of a tenant; without an index of its own a row costs a fifth less.
    tenant = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.CASCADE,
        related_name="+",
        default=require_tenant_id,
        editable=False,
        db_index=False,
    )
    segment = TenantForeignKey(WordSegment, on_delete=models.CASCADE, related_name="+", db_index=False)
    # First letter and length, for words that look alike: see `retrieval.postings.bucket_of`.
    bucket = models.IntegerField()
    word = models.TextField()
    chunk_count = models.PositiveIntegerField()
    # Two bytes a chunk, its number within the block, and one byte a chunk: see `retrieval.postings`.
    places = models.BinaryField()
    weights = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "segment", "bucket", "word"],
                include=["chunk_count"],
                name="knowledge_wordpostings_word",
            )
        ]
