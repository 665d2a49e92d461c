"""Looks across tenants for sources whose time has come."""

from __future__ import annotations

from django.utils import timezone

from apps.knowledge.models import Source
from parley.jobs import enqueue

_BATCH = 200


def start_due_sources() -> int:
    """Ask for a run of every source whose next run is due; returns how many. Two sweeps at once are harmless."""
    due = (
        Source.across_tenants.filter(next_run_at__lte=timezone.now())
        .order_by("next_run_at")
        .values_list("tenant_id", "id", "next_run_at")[:_BATCH]
    )
    for tenant_id, source_id, fire_at in due:
        enqueue("knowledge.start_due_source", tenant_id=tenant_id, source_id=str(source_id), fire_at=str(fire_at))
    return len(due)
