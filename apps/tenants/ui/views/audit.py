"""The audit log: who changed what, with before and after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from apps.tenants import selectors
from apps.tenants.ui.forms import AuditFilterForm
from parley.web.access import TenantRequest, tenant_page

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Change:
    """A field that an event changed, in words; None where it did not exist."""

    field: str
    before: str | None
    after: str | None


@tenant_page({"GET": "audit.view"})
def audit_list(request: TenantRequest) -> HttpResponse:
    """Newest first, filtered by words and by what it is about."""
    text, about = AuditFilterForm(request.GET).chosen()
    page = Paginator(selectors.list_audit_events(text=text, action=about), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "text": text, "about": about, "nouns": selectors.list_audit_nouns()}
    return render(request, "tenants/audit_list.html", context)


@tenant_page({"GET": "audit.view"})
def audit_detail(request: TenantRequest, event_id: UUID) -> HttpResponse:
    """One event: in the drawer for htmx, otherwise as a page."""
    event = selectors.get_audit_event(event_id)
    template = "tenants/_audit_event.html" if request.htmx else "tenants/audit_detail.html"
    return render(request, template, {"event": event, "changes": changes(event.before, event.after)})


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[Change]:
    """What differs, field by field, in the order the service recorded it."""
    old, new = before or {}, after or {}
    return [
        Change(field, _words(old[field]) if field in old else None, _words(new[field]) if field in new else None)
        for field in dict.fromkeys([*old, *new])
        if field not in old or field not in new or old[field] != new[field]
    ]


def _words(value: Any) -> str:
    if value is None or value == "":
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(str(item) for item in value) or "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
