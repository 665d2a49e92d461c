"""Documents, their versions and the bytes as uploaded."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.knowledge.enums import DocumentKind, DocumentStatus
from apps.knowledge.models.knowledge_base import KnowledgeBase
from parley.tenancy.models import TenantForeignKey, TenantOwned

MAX_TAG_CHARS = 40


class Document(TenantOwned):
    """One file or text, whatever number of versions it has had; its status is that of the latest version."""

    platform_access = "read"

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=10, choices=DocumentKind.choices, default=DocumentKind.FILE)
    name = models.CharField(max_length=255)
    title = models.CharField(max_length=300, blank=True)
    # What the sending system calls it, and what it knows about it; empty for documents added by hand.
    external_id = models.CharField(max_length=200, blank=True)
    metadata: Any = models.JSONField(default=dict)
    # Who may be answered from it: whoever has one of these. Nobody needs any for a document without.
    access_tags = ArrayField(models.CharField(max_length=MAX_TAG_CHARS), default=list)
    # The web address it was fetched from, and the source that did.
    url = models.CharField(max_length=2_000, blank=True)
    source = TenantForeignKey("Source", on_delete=models.SET_NULL, null=True, related_name="documents")
    media_type = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    content_hash = models.CharField(max_length=64)
    version_number = models.PositiveIntegerField(default=1)
    page_count = models.PositiveIntegerField(null=True)
    chunk_count = models.PositiveIntegerField(default=0)

    status = models.CharField(max_length=12, choices=DocumentStatus.choices, default=DocumentStatus.QUEUED)
    progress = models.FloatField(default=0.0)
    error = models.CharField(max_length=500, blank=True)
    # What of an otherwise readable file was left out, such as pages without text.
    notice = models.CharField(max_length=500, blank=True)
    # Only ever rises: it names the latest request to index, and whoever works for an earlier one stops.
    attempt = models.PositiveIntegerField(default=0)
    indexed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "name"],
                condition=Q(deleted_at=None),
                name="knowledge_document_name_key",
            ),
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "content_hash"],
                condition=Q(deleted_at=None),
                name="knowledge_document_content_key",
            ),
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "external_id"],
                condition=Q(deleted_at=None) & ~Q(external_id=""),
                name="knowledge_document_external_key",
            ),
            models.CheckConstraint(
                condition=Q(progress__gte=0.0, progress__lte=1.0), name="knowledge_document_progress_range"
            ),
        ]
        indexes = [
            models.Index(
                fields=["tenant", "knowledge_base"], condition=~Q(access_tags=[]), name="knowledge_document_tagged"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_title(self) -> str:
        """What people read: the title found inside, or the name of the file."""
        return self.title or self.name


class DocumentVersion(TenantOwned):
    """One state of a document's content. Its number counts from 1."""

    document = TenantForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=100)
    size_bytes = models.PositiveBigIntegerField()
    content_hash = models.CharField(max_length=64)
    # Nobody for what a key, a crawl or a command brought.
    created_by = models.ForeignKey("tenants.User", on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "document", "number"], name="knowledge_version_number_key")
        ]


class OriginalFile(TenantOwned):
    """The bytes as uploaded, in PostgreSQL: web and worker may be two machines, backups stay whole."""

    document_version = TenantForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+")
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "document_version"], name="knowledge_originalfile_key")
        ]
