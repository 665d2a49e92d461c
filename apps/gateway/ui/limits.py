"""Pages of spending limits: one form to add, one to change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.enums import BudgetPeriod, BudgetScope
from apps.gateway.models import SpendingLimit
from apps.gateway.services import budgets
from apps.gateway.services.names import assistant_names, channel_names
from apps.gateway.ui.forms import SpendingLimitForm
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_SAVED = "The limit was saved and counts from the next call on."


@tenant_page("budgets.manage")
def limit_create(request: TenantRequest) -> HttpResponse:
    """Add a limit."""
    assistants = sorted(((str(key), name) for key, name in assistant_names().items()), key=lambda pair: pair[1])
    form = SpendingLimitForm(request.POST or None, assistants=assistants, channels=list(channel_names().items()))
    if request.method == "POST" and form.is_valid():
        try:
            budgets.create_limit(**form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, _SAVED)
            return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)
    return render(request, "gateway/limit_form.html", {"form": form}, status=422 if form.is_bound else 200)


@tenant_page("budgets.manage")
def limit_edit(request: TenantRequest, limit_id: UUID) -> HttpResponse:
    """Change a limit's amounts and steps."""
    limit = selectors.get_limit(limit_id)
    form = SpendingLimitForm(request.POST or None, is_new=False, initial=_initial(limit))
    if request.method == "POST" and form.is_valid():
        try:
            budgets.update_limit(limit_id=limit_id, changes=form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, _SAVED)
            return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)
    context = {"form": form, "limit": limit, "title": describe(limit, dict(assistant_names()))}
    return render(request, "gateway/limit_form.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "budgets.manage"})
def limit_delete(request: TenantRequest, limit_id: UUID) -> HttpResponse:
    """Remove a limit."""
    budgets.delete_limit(limit_id=limit_id)
    messages.success(request, "The limit was removed: nothing is stopped by it any more.")
    return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)


def describe(limit: SpendingLimit, assistants: dict[UUID, str]) -> str:
    """Whose spending it limits, in words."""
    assistant = "each assistant"
    if limit.assistant_id is not None:
        assistant = assistants.get(limit.assistant_id, "a removed assistant")
    channel = channel_names().get(limit.channel, limit.channel) if limit.channel else ""
    match limit.scope:
        case BudgetScope.TENANT:
            whose = "Everything together"
        case BudgetScope.ASSISTANT:
            whose = assistant
        case BudgetScope.CHANNEL:
            whose = f"{channel or 'Each channel'} of {assistant}"
        case _:
            of = f" of {assistant}" if limit.assistant_id is not None else ""
            by = f" through {channel}" if channel else ""
            whose = f"Each visitor{of}{by}"
    return f"{whose[:1].upper()}{whose[1:]}, by {BudgetPeriod(limit.period).label.lower()}"


def _initial(limit: SpendingLimit) -> dict[str, Any]:
    amounts = {name: getattr(limit, name) for name in ("limit", "soft_limit")}
    plain = {name: "" if value is None else format(value.normalize(), "f") for name, value in amounts.items()}
    return {**plain, **{name: getattr(limit, name) for name in budgets.GRADES}}
