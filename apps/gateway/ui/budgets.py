"""The pages of budgets: how much is spent of how much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.contracts import BudgetStatus
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.services import budgets
from apps.gateway.services.alerts import has_mail_server, sentence
from apps.gateway.services.names import assistant_names
from apps.gateway.ui.forms import LimitForm
from apps.gateway.ui.limits import describe
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_WARN_AT, _BAD_AT = Decimal("0.8"), Decimal(1)
_SHOWN_ALERTS = 10


@tenant_page("budgets.view")
def budget_list(request: TenantRequest) -> HttpResponse:
    """Spending against the limits, and what people were told about them."""
    status = selectors.budget_status()
    return render(request, "gateway/budget_list.html", _page(status, _limit_form(status)))


@tenant_page({"GET": "budgets.view", "POST": "budgets.manage"})
def budget_edit(request: TenantRequest) -> HttpResponse:
    """Set the limit; the form is part of the list's page."""
    form = LimitForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            budgets.set_limit(limit=form.cleaned_data["limit"])
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The limit was saved and counts from the next call on.")
    if request.method == "POST" and form.errors:
        context = _page(selectors.budget_status(), form)
        return render(request, "gateway/budget_list.html", context, status=422)
    return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)


def _page(status: BudgetStatus, form: LimitForm) -> dict[str, Any]:
    return {
        "status": status,
        "tone": _tone(status),
        "limit_form": form,
        "limits": _limits(),
        "alerts": [(alert, sentence(alert)) for alert in selectors.list_alerts()[:_SHOWN_ALERTS]],
        "has_mail_server": has_mail_server(),
    }


def _limit_form(status: BudgetStatus) -> LimitForm:
    limit = "" if status.limit is None else format(status.limit.normalize(), "f")
    return LimitForm(initial={"limit": limit})


def _limits() -> list[dict[str, Any]]:
    """The limits beside the tenant's own month, which has a card of its own."""
    assistants = dict(assistant_names())
    shown = []
    for use in selectors.list_limit_use():
        limit = use.limit
        if (limit.scope, limit.period) == (BudgetScope.TENANT, BudgetPeriod.MONTH):
            continue
        ceiling = limit.limit if limit.limit is not None else limit.soft_limit
        full = use.used is not None and ceiling is not None and use.used >= ceiling
        near = use.used is not None and ceiling is not None and use.used >= ceiling * _WARN_AT
        tone = "bad" if full else "warn" if near else ""
        shown.append({"use": use, "title": describe(limit, assistants), "ceiling": ceiling, "tone": tone})
    return shown


def _tone(status: BudgetStatus) -> str:
    if status.limit is None:
        return ""
    used = status.spent + status.held
    if used >= status.limit * _BAD_AT:
        return "bad"
    return "warn" if used >= status.limit * _WARN_AT else ""
