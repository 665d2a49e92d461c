"""The page of rate limits: one short form for the organisation, each API key and each visitor."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.enums import RateScope
from apps.gateway.services import rates
from apps.gateway.ui.forms import RateForm
from parley.errors import NotFound, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_FIELDS = ("requests_per_minute", "tokens_per_minute", "concurrent")


@tenant_page("budgets.manage")
def rate_list(request: TenantRequest) -> HttpResponse:
    """All three forms."""
    return render(request, "gateway/rate_list.html", {"parts": _parts()})


@tenant_page({"POST": "budgets.manage"})
def rate_edit(request: TenantRequest, scope: str) -> HttpResponse:
    """Change one of them."""
    if scope not in RateScope.values:
        raise NotFound("There is no such rate limit.")
    form = RateForm(request.POST, prefix=scope)
    if form.is_valid():
        try:
            rates.set_rate_limit(scope=scope, **form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved. It counts from the next message on.")
            return redirect("gateway:rate_list", tenant_slug=request.tenant.slug)
    return render(request, "gateway/rate_list.html", {"parts": _parts({scope: form})}, status=422)


def _parts(bound: dict[str, RateForm] | None = None) -> list[dict[str, Any]]:
    rows = {row.scope: row for row in selectors.list_rate_limits()}
    parts = []
    for scope in RateScope:
        row = rows.get(scope)
        initial = {name: getattr(row, name) for name in _FIELDS} if row is not None else {}
        form = (bound or {}).get(scope) or RateForm(initial=initial, prefix=scope)
        parts.append({"scope": scope.value, "label": scope.label, "form": form})
    return parts
