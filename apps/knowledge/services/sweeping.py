"""Finds documents that nobody is working on: a message was lost, a worker died, a deletion was cut short."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.core.cache import cache
from django.db.models import Q
from django.utils import timezone

from apps.knowledge.enums import WORKING, DocumentStatus
from apps.knowledge.models import Document
from parley.jobs import enqueue
from parley.tenancy import tenant_key, use_tenant

log = structlog.get_logger(__name__)

WAITS_TOO_LONG = timedelta(seconds=30)
_BATCH = 200
# One message per document is enough for a while, however long the queue is.
_ANNOUNCED_SECONDS = 120


def announce_open_documents() -> int:
    """Start the job again for documents that wait or whose lease ran out; returns how many were announced.

    Runs across tenants with reading rights only. Harmless to repeat: the claim decides who works.
    """
    now = timezone.now()
    is_forgotten = Q(status=DocumentStatus.QUEUED, run_after=None, updated_at__lt=now - WAITS_TOO_LONG)
    is_due = Q(status=DocumentStatus.QUEUED, run_after__lte=now)
    is_orphaned = Q(status__in=WORKING, lease_expires_at__lt=now)
    rows = (
        Document.across_tenants.filter(is_forgotten | is_due | is_orphaned | Q(deleted_at__lt=now - WAITS_TOO_LONG))
        .order_by("updated_at")
        .values_list("tenant_id", "id", "attempt", "deleted_at")[:_BATCH]
    )
    announced = 0
    for tenant_id, document_id, attempt, deleted_at in rows:
        with use_tenant(tenant_id):
            if not cache.add(tenant_key("document-announced", str(document_id), str(attempt)), 1, _ANNOUNCED_SECONDS):
                continue
            task = "knowledge.index_document" if deleted_at is None else "knowledge.purge_document"
            enqueue(task, tenant_id=tenant_id, document_id=str(document_id))
            announced += 1
    if announced:
        log.info("documents.announced", count=announced)
    return announced
