"""The pages of one knowledge base, for its second navigation."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.urls import reverse

from apps.knowledge.enums import EntryKind
from parley.web.access import TenantRequest

Tab = Literal["documents", "faq", "curated", "test", "gaps", "snapshots", "index", "deleted"]


def tabs(request: TenantRequest, base_id: UUID, current: Tab) -> list[dict[str, Any]]:
    """Items for the `tabs` component."""
    address = {"tenant_slug": request.tenant.slug, "base_id": base_id}

    def item(name: Tab, label: str, url_name: str, **more: str) -> dict[str, Any]:
        href = reverse(f"knowledge:{url_name}", kwargs={**address, **more})
        return {"label": label, "href": href, "is_current": name == current}

    return [
        item("documents", "Documents", "base_detail"),
        item("faq", "FAQ", "entry_list", kind=EntryKind.FAQ.value),
        item("curated", "Curated answers", "entry_list", kind=EntryKind.CURATED.value),
        item("test", "Test the search", "retrieval_test"),
        item("gaps", "Answer gaps", "gap_list"),
        item("snapshots", "Snapshots", "snapshot_list"),
        item("index", "Index", "index_list"),
        item("deleted", "Deleted", "deleted_list"),
    ]
