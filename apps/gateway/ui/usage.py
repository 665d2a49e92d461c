"""The pages of usage: what was spent on what, where it ends, and whether the provider's bill agrees."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode

from apps.gateway import forecast, periods, reconciliation, selectors
from apps.gateway.contracts import BudgetStatus
from apps.gateway.enums import Confidence, Purpose
from apps.gateway.selectors import By, UsageSum
from apps.gateway.services.names import assistant_names, channel_names
from apps.gateway.ui.forms import BillForm
from parley.errors import Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_SPANS = {"month": "This month", "last": "Last month", "quarter": "90 days"}
_SPLITS: dict[str, str] = {
    "model": "Model",
    "assistant": "Assistant",
    "purpose": "Purpose",
    "channel": "Channel",
    "confidence": "How sure",
}
_SHOWN_DIFFERENCES = 200
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_EXPORT = (
    *("day", "assistant", "channel", "model", "purpose", "confidence"),
    *("calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd"),
)


@dataclass(frozen=True, slots=True)
class _Slice:
    """The part of the ledger that a page shows, and what it is split by."""

    span: str
    purpose: str
    by: By
    since: datetime
    until: datetime

    def query(self, **changes: str) -> str:
        return urlencode({"span": self.span, "purpose": self.purpose, "by": self.by, **changes})


@dataclass(frozen=True, slots=True)
class _Bar:
    """One day of the chart; numbers are percent of its box."""

    day: date
    cost: Decimal
    x: str
    width: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a table, with its share of the whole in percent."""

    label: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost: Decimal
    share: Decimal


@tenant_page("usage.view")
def usage_list(request: TenantRequest) -> HttpResponse:
    """Spending by day as a chart and a table, and split by model, assistant, purpose, channel or certainty."""
    status = selectors.budget_status()
    chosen = _chosen(request, status)
    sums = selectors.sum_usage(
        since=chosen.since, until=chosen.until, time_zone=status.timezone, by=chosen.by, purpose=chosen.purpose
    )
    days = _by_day(sums)
    zone = periods.zone_of(status.timezone)
    bars = _bars(days, chosen.since.astimezone(zone).date(), chosen.until.astimezone(zone).date())
    base = reverse("gateway:usage_list", args=[request.tenant.slug])
    context = {
        "status": status,
        "chosen": chosen,
        "spans": _links(base, chosen, "span", _SPANS, chosen.span),
        "splits": _links(base, chosen, "by", _SPLITS, chosen.by),
        "split_label": _SPLITS[chosen.by],
        "purposes": Purpose.choices,
        "bars": bars,
        "highest": max((bar.cost for bar in bars), default=Decimal(0)),
        "first_day": chosen.since.astimezone(zone).date(),
        "last_day": chosen.until.astimezone(zone).date() - timedelta(days=1),
        "days": [(day, line) for day, line in sorted(days.items(), reverse=True)],
        "lines": _by_key(sums, chosen.by),
        "total": sum((line.cost for line in sums), Decimal(0)),
        "calls": sum(line.calls for line in sums),
        "tokens": sum(line.input_tokens + line.output_tokens for line in sums),
        "forecast": _forecast(status) if chosen.span == "month" and not chosen.purpose else "",
        "export_url": f"{reverse('gateway:usage_export', args=[request.tenant.slug])}?{chosen.query()}",
    }
    return render(request, "gateway/usage_list.html", context)


@tenant_page("usage.view")
def usage_export(request: TenantRequest) -> StreamingHttpResponse:
    """The shown part of the ledger as CSV, sent while it is read."""
    status = selectors.budget_status()
    chosen = _chosen(request, status)
    lines = _export_lines(request.tenant.id, chosen, status.timezone, dict(assistant_names()))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="usage-{chosen.since:%Y-%m-%d}.csv"'
    return response


@tenant_page("usage.view")
def usage_bill(request: TenantRequest) -> HttpResponse:
    """Compare a provider's bill with the ledger. Nothing of the bill is kept."""
    form = BillForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            found = selectors.reconcile(form.text())
        except Problem as problem:
            add_problem(form, problem)
        else:
            context |= _bill_context(found)
    return render(request, "gateway/usage_bill.html", context, status=422 if form.errors else 200)


def _bill_context(found: Sequence[reconciliation.Difference]) -> dict[str, Any]:
    different = [line for line in found if not line.is_tolerable]
    return {
        "is_compared": True,
        "billed": sum((line.billed or Decimal(0) for line in found), Decimal(0)),
        "recorded": sum((line.recorded or Decimal(0) for line in found), Decimal(0)),
        "agreeing": len(found) - len(different),
        "different": different[:_SHOWN_DIFFERENCES],
        "hidden_count": max(0, len(different) - _SHOWN_DIFFERENCES),
    }


def _export_lines(tenant_id: UUID, chosen: _Slice, time_zone: str, assistants: dict[UUID, str]) -> Iterator[str]:
    """Runs after the view, so it opens a transaction of its own."""
    writer = csv.writer(_Echo())
    yield writer.writerow(_EXPORT)
    with tenant_tx(tenant_id):
        for row in selectors.each_usage_row(
            since=chosen.since, until=chosen.until, time_zone=time_zone, purpose=chosen.purpose
        ):
            assistant = assistants.get(row.assistant_id, str(row.assistant_id)) if row.assistant_id else ""
            words = [safe_cell(word) for word in (assistant, row.channel, row.model, row.purpose, row.confidence)]
            tokens = [row.calls, row.input_tokens, row.cached_input_tokens, row.output_tokens, row.reasoning_tokens]
            yield writer.writerow([row.day.isoformat(), *words, *tokens, format(row.cost, "f")])


class _Echo:
    """A file that gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def safe_cell(text: str) -> str:
    """Text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _chosen(request: TenantRequest, status: BudgetStatus) -> _Slice:
    span, purpose, by = (request.GET.get(name, "") for name in ("span", "purpose", "by"))
    span = span if span in _SPANS else "month"
    purpose = purpose if purpose in Purpose.values else ""
    split = cast("By", by if by in _SPLITS else "model")
    if span == "last":
        month = periods.period_at(status.period_start - timedelta(microseconds=1), status.timezone)
        return _Slice(span, purpose, split, month.starts_at, month.ends_at)
    since = status.period_start
    if span == "quarter":
        last = status.resets_at.astimezone(periods.zone_of(status.timezone)).date()
        since = periods.day_of(last - timedelta(days=90), status.timezone).starts_at
    return _Slice(span, purpose, split, since, status.resets_at)


def _forecast(status: BudgetStatus) -> str:
    """Where the running month ends, in words."""
    now = selectors.budget_clock().now
    today = periods.day_at(now, status.timezone)
    begin = periods.day_of(today.starts_on - timedelta(days=forecast.MOST_DAYS), status.timezone).starts_at
    sums = _by_day(selectors.sum_usage(since=begin, until=today.starts_at, time_zone=status.timezone))
    if not sums:
        return forecast.sentence(None, until=_month(status), limit=status.limit)
    # Days before the first spending say nothing about days to come.
    first = min(sums)
    days = [first + timedelta(days=number) for number in range((today.starts_on - first).days)]
    costs = [sums[day].cost if day in sums else Decimal(0) for day in days]
    seconds = Decimal((status.resets_at - now) // timedelta(seconds=1))
    left = seconds / Decimal(timedelta(days=1) // timedelta(seconds=1))
    found = forecast.forecast(spent=status.spent, full_days=costs, days_left=left)
    return forecast.sentence(found, until=_month(status), limit=status.limit)


def _month(status: BudgetStatus) -> str:
    return f"{status.period_start.astimezone(periods.zone_of(status.timezone)):%B}"


def _links(base: str, chosen: _Slice, name: str, labels: dict[str, str], current: str) -> list[dict[str, Any]]:
    return [
        {"label": label, "href": f"{base}?{chosen.query(**{name: key})}", "is_current": key == current}
        for key, label in labels.items()
    ]


def _by_day(sums: Sequence[UsageSum]) -> dict[date, _Line]:
    days: dict[date, list[UsageSum]] = {}
    for line in sums:
        days.setdefault(line.day, []).append(line)
    return {day: _added("", lines, Decimal(0)) for day, lines in days.items()}


def _by_key(sums: Sequence[UsageSum], by: By) -> list[_Line]:
    """The table of the chosen split, the dearest first."""
    names = _names(by)
    keys: dict[str, list[UsageSum]] = {}
    for line in sums:
        keys.setdefault(line.key, []).append(line)
    total = sum((line.cost for line in sums), Decimal(0))
    lines = [_added(names.get(key, key) or "Without one", found, total) for key, found in keys.items()]
    return sorted(lines, key=lambda line: (-line.cost, -line.calls, line.label))


def _added(label: str, lines: Sequence[UsageSum], total: Decimal) -> _Line:
    cost = sum((line.cost for line in lines), Decimal(0))
    return _Line(
        label=label,
        calls=sum(line.calls for line in lines),
        input_tokens=sum(line.input_tokens for line in lines),
        cached_input_tokens=sum(line.cached_input_tokens for line in lines),
        output_tokens=sum(line.output_tokens for line in lines),
        cost=cost,
        share=cost / total * 100 if total else Decimal(0),
    )


def _names(by: By) -> dict[str, str]:
    match by:
        case "assistant":
            return {str(key): name for key, name in assistant_names().items()}
        case "channel":
            return dict(channel_names())
        case "purpose":
            return {value: str(label) for value, label in Purpose.choices}
        case "confidence":
            return {value: str(label) for value, label in Confidence.choices}
    return {}


def _bars(days: dict[date, _Line], first: date, end: date) -> list[_Bar]:
    """One bar for each day with spending; none when nothing was spent."""
    highest = max((line.cost for line in days.values()), default=Decimal(0))
    if highest <= 0:
        return []
    step = Decimal(100) / max(1, (end - first).days)
    return [
        _Bar(
            day=day,
            cost=line.cost,
            x=f"{step * (day - first).days:.3f}%",
            width=f"{step * Decimal('0.72'):.3f}%",
            y=f"{100 - line.cost / highest * 100:.2f}%",
            height=f"{line.cost / highest * 100:.2f}%",
        )
        for day, line in sorted(days.items())
        if line.cost > 0
    ]
