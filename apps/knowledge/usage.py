"""How much knowledge an organisation keeps, and how much it may."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Sum
from django.template.defaultfilters import filesizeformat

from apps.knowledge.enums import IndexState
from apps.knowledge.models import Document, IndexedDocument, KnowledgeQuota
from parley.errors import Invalid


@dataclass(frozen=True, slots=True)
class KnowledgeUsage:
    """Totals of a tenant: documents that are not deleted, bytes of their files, and what is indexed of them.

    Limits are None where there are none.
    """

    documents: int
    bytes: int
    chunks: int
    tokens: int
    max_documents: int | None
    max_bytes: int | None


def knowledge_usage() -> KnowledgeUsage:
    """The totals and limits of the ambient tenant."""
    kept = Document.objects.filter(deleted_at=None).aggregate(documents=Count("id"), size=Sum("size_bytes"))
    indexed = IndexedDocument.objects.filter(
        search_index__state=IndexState.ACTIVE, document__deleted_at=None
    ).aggregate(chunks=Sum("chunk_count"), tokens=Sum("token_count"))
    quota = KnowledgeQuota.objects.first()
    return KnowledgeUsage(
        documents=kept["documents"],
        bytes=kept["size"] or 0,
        chunks=indexed["chunks"] or 0,
        tokens=indexed["tokens"] or 0,
        max_documents=quota.max_documents if quota else None,
        max_bytes=quota.max_bytes if quota else None,
    )


def require_room(*, documents: int, size: int) -> None:
    """Refuse what would not fit. Raises `Invalid` with a sentence that names the limit.

    Two uploads into different bases at the same moment may both pass the last place.
    """
    quota = KnowledgeQuota.objects.first()
    if quota is None:
        return
    usage = knowledge_usage()
    if quota.max_documents is not None and usage.documents + documents > quota.max_documents:
        raise Invalid(
            f"Your organisation keeps {usage.documents:,} of {quota.max_documents:,} documents. Delete some first."
        )
    if quota.max_bytes is not None and usage.bytes + size > quota.max_bytes:
        kept, most = filesizeformat(usage.bytes), filesizeformat(quota.max_bytes)
        raise Invalid(f"Your organisation keeps {kept} of {most}, and this file would not fit. Delete some first.")
