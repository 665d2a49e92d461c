"""The page that says whom to tell when a budget runs low."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.services import alerts
from apps.gateway.ui.forms import AlertForm
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page("budgets.manage")
def alert_edit(request: TenantRequest) -> HttpResponse:
    """Addresses and the webhook. A new secret is shown once, on the page that answers the change."""
    chosen = selectors.get_alert_settings()
    initial = {"emails": "\n".join(chosen.emails), "webhook_url": chosen.webhook_url}
    form = AlertForm(request.POST or None, initial=initial)
    context = {"has_mail_server": alerts.has_mail_server(), "has_secret": chosen.webhook_secret is not None}
    if request.method == "POST" and form.is_valid():
        try:
            secret = alerts.set_alert_settings(**form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved. Alerts go there from now on.")
            if secret is None:
                return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)
            return render(request, "gateway/alert_form.html", {**context, "form": form, "secret": secret})
    status = 422 if form.is_bound else 200
    return render(request, "gateway/alert_form.html", {**context, "form": form}, status=status)
