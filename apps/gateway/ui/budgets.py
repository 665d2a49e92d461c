"""The pages of spending: how much, on what, and where it ends."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from apps.gateway import periods, selectors
from apps.gateway.contracts import BudgetStatus, UsageLine
from apps.gateway.enums import BudgetPeriod, BudgetScope, Purpose
from apps.gateway.models import UsageEntry
from apps.gateway.services import budgets
from apps.gateway.services.alerts import has_mail_server, sentence
from apps.gateway.services.names import assistant_names
from apps.gateway.ui.forms import LimitForm
from apps.gateway.ui.limits import describe
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_SPANS = {"month": "This month", "last": "Last month", "quarter": "90 days"}
_WARN_AT, _BAD_AT = Decimal("0.8"), Decimal(1)
_SHOWN_LINES = 300
_SHOWN_ALERTS = 10
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class _Slice:
    """The part of the ledger that a page shows."""

    span: str
    purpose: str
    since: datetime
    until: datetime

    @property
    def query(self) -> str:
        return urlencode({"span": self.span, **({"purpose": self.purpose} if self.purpose else {})})


@dataclass(frozen=True, slots=True)
class _Bar:
    """One day of the chart; `x` and `height` in percent."""

    day: date
    cost: Decimal
    x: str
    width: str
    y: str
    height: str


@tenant_page("budgets.view")
def budget_list(request: TenantRequest) -> HttpResponse:
    """Spending against the limit, and the ledger by day, model and purpose."""
    status = selectors.budget_status()
    return render(request, "gateway/budget_list.html", _page(request, status, _limit_form(status)))


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
        context = _page(request, selectors.budget_status(), form)
        return render(request, "gateway/budget_list.html", context, status=422)
    return redirect("gateway:budget_list", tenant_slug=request.tenant.slug)


@tenant_page("usage.view")
def usage_export(request: TenantRequest) -> HttpResponse:
    """The shown part of the ledger as CSV, summed as on the page."""
    status = selectors.budget_status()
    chosen = _chosen(request, status)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="usage-{chosen.since:%Y-%m-%d}.csv"'
    writer = csv.writer(response)
    writer.writerow(["day", "model", "purpose", "calls", "input_tokens", "output_tokens", "cost_usd"])
    for line in selectors.summarise_usage(_entries(chosen), time_zone=status.timezone):
        numbers = [line.calls, line.input_tokens, line.output_tokens, format(line.cost, "f")]
        writer.writerow([line.day.isoformat(), _safe_cell(line.model), line.purpose, *numbers])
    return response


def _page(request: TenantRequest, status: BudgetStatus, form: LimitForm) -> dict[str, Any]:
    chosen = _chosen(request, status)
    lines = selectors.summarise_usage(_entries(chosen), time_zone=status.timezone)
    return {
        "status": status,
        "tone": _tone(status),
        "limit_form": form,
        "limits": _limits(),
        "alerts": [(alert, sentence(alert)) for alert in selectors.list_alerts()[:_SHOWN_ALERTS]],
        "has_mail_server": has_mail_server(),
        "chosen": chosen,
        "spans": _span_links(request, chosen),
        "purposes": Purpose.choices,
        "lines": [(line, Purpose(line.purpose).label) for line in lines[:_SHOWN_LINES]],
        "hidden_line_count": max(0, len(lines) - _SHOWN_LINES),
        "total": sum((line.cost for line in lines), Decimal(0)),
        "calls": sum(line.calls for line in lines),
        "tokens": sum(line.input_tokens + line.output_tokens for line in lines),
        "bars": _bars(lines, chosen, status.timezone),
        "export_url": f"{reverse('gateway:usage_export', args=[request.tenant.slug])}?{chosen.query}",
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


def _chosen(request: TenantRequest, status: BudgetStatus) -> _Slice:
    span = request.GET.get("span", "")
    purpose = request.GET.get("purpose", "")
    span = span if span in _SPANS else "month"
    purpose = purpose if purpose in Purpose.values else ""
    if span == "last":
        month = periods.period_at(status.period_start - timedelta(microseconds=1), status.timezone)
        return _Slice(span, purpose, month.starts_at, month.ends_at)
    since = status.period_start if span == "month" else status.resets_at - timedelta(days=90)
    return _Slice(span, purpose, since, status.resets_at)


def _entries(chosen: _Slice) -> QuerySet[UsageEntry]:
    return selectors.list_usage(since=chosen.since, until=chosen.until, purpose=chosen.purpose or None)


def _span_links(request: TenantRequest, chosen: _Slice) -> list[dict[str, Any]]:
    base = reverse("gateway:budget_list", args=[request.tenant.slug])
    extra = f"&{urlencode({'purpose': chosen.purpose})}" if chosen.purpose else ""
    return [
        {"label": label, "href": f"{base}?span={key}{extra}", "is_current": key == chosen.span}
        for key, label in _SPANS.items()
    ]


def _bars(lines: Sequence[UsageLine], chosen: _Slice, time_zone: str) -> list[_Bar]:
    """One bar for each day of the span; none when nothing was spent."""
    by_day: dict[date, Decimal] = {}
    for line in lines:
        by_day[line.day] = by_day.get(line.day, Decimal(0)) + line.cost
    highest = max(by_day.values(), default=Decimal(0))
    if highest <= 0:
        return []
    zone = periods.zone_of(time_zone)
    first, end = chosen.since.astimezone(zone).date(), chosen.until.astimezone(zone).date()
    days = [first + timedelta(days=number) for number in range((end - first).days)]
    step = Decimal(100) / max(1, len(days))
    return [
        _Bar(
            day=day,
            cost=by_day[day],
            x=f"{step * number:.3f}%",
            width=f"{step * Decimal('0.72'):.3f}%",
            y=f"{100 - by_day[day] / highest * 100:.2f}%",
            height=f"{by_day[day] / highest * 100:.2f}%",
        )
        for number, day in enumerate(days)
        if by_day.get(day, Decimal(0)) > 0
    ]


def _safe_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
