"""The page one lands on: what needs somebody, what is left to set up, and how much there is."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from apps.tenants import selectors
from parley.web.access import TenantRequest, tenant_page
from parley.web.dashboard import collect

RECENT_EVENTS = 6
LAST_TENANT = "last_tenant"


@tenant_page({"GET": "tenant.view"})
def dashboard(request: TenantRequest) -> HttpResponse:
    """`/t/<slug>/`. Remembers the organisation, so that `/start/` leads back to it."""
    if request.session.get(LAST_TENANT) != request.tenant.slug:
        request.session[LAST_TENANT] = request.tenant.slug
    collected = collect(request.actor, request.tenant.slug)
    done_count = sum(step.is_done for step in collected.steps)
    return render(
        request,
        "tenants/dashboard.html",
        {
            "counts": collected.counts,
            "attention": collected.attention,
            "steps": collected.steps,
            "done_count": done_count,
            "is_set_up": done_count == len(collected.steps),
            "next_step": next((step for step in collected.steps if not step.is_done), None),
            "events": selectors.list_audit_events()[:RECENT_EVENTS] if request.actor.can("audit.view") else [],
        },
    )
