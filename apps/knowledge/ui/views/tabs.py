"""The pages of one knowledge base, for its second navigation."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.urls import reverse

from parley.web.access import TenantRequest

Tab = Literal["documents", "test", "snapshots", "index"]
_TABS: tuple[tuple[Tab, str, str], ...] = (
    ("documents", "Documents", "knowledge:base_detail"),
    ("test", "Test the search", "knowledge:retrieval_test"),
    ("snapshots", "Snapshots", "knowledge:snapshot_list"),
    ("index", "Index", "knowledge:index_list"),
)


def tabs(request: TenantRequest, base_id: UUID, current: Tab) -> list[dict[str, Any]]:
    """Items for the `tabs` component."""
    address = {"tenant_slug": request.tenant.slug, "base_id": base_id}
    return [
        {"label": label, "href": reverse(url_name, kwargs=address), "is_current": name == current}
        for name, label, url_name in _TABS
    ]
