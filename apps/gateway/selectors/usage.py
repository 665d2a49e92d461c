"""Reads: what was spent, from the hourly sums and, since the last of them, from the ledger itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.db import connection

from apps.gateway import periods, reconciliation
from apps.gateway.models import Model, UsageMark
from parley.tenancy import require_tenant_id

By = Literal["model", "purpose", "assistant", "channel", "confidence"]
_COLUMNS: dict[By, str] = {
    "model": "model_label",
    "purpose": "purpose",
    "assistant": "assistant_id::text",
    "channel": "channel",
    "confidence": "confidence",
}
_NUMBERS = "calls, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost"
_SUMS = ", ".join(f"sum({name.strip()})" for name in _NUMBERS.split(","))
# Both halves have the same columns; each line of the ledger is one call, its corrections none.
_SOURCE = f"""
    SELECT hour AS at, assistant_id, channel, model_label, purpose, confidence, {_NUMBERS}
    FROM gateway_usagehour WHERE tenant_id = %(tenant)s AND hour >= %(since)s AND hour < least(%(until)s, %(mark)s)
    UNION ALL
    SELECT created_at, assistant_id, channel, model_label, purpose, confidence,
        CASE WHEN kind = 'charge' THEN 1 ELSE 0 END, input_tokens, cached_input_tokens, output_tokens,
        reasoning_tokens, cost
    FROM gateway_usageentry
    WHERE tenant_id = %(tenant)s AND created_at >= greatest(%(since)s, %(mark)s) AND created_at < %(until)s
"""  # noqa: S608 - constant texts


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Spending of one local day and one value of what it is split by (empty when it is not split). US dollars."""

    day: date
    key: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of the export: everything that tells spending apart."""

    day: date
    assistant_id: UUID | None
    channel: str
    model: str
    purpose: str
    confidence: str
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost: Decimal


def sum_usage(
    *, since: datetime, until: datetime, time_zone: str, by: By | None = None, purpose: str = ""
) -> list[UsageSum]:
    """Spending by local day and, when asked, one more dimension; the newest day first, then the dearest."""
    column = _COLUMNS[by] if by is not None else "''"
    sql = (
        f"SELECT (at AT TIME ZONE %(zone)s)::date AS day, COALESCE({column}, ''), {_SUMS} FROM ({_SOURCE}) AS used "  # noqa: S608 - constant texts
        "WHERE (%(purpose)s = '' OR purpose = %(purpose)s) GROUP BY 1, 2 ORDER BY 1 DESC, 8 DESC, 2"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {**_parameters(since, until, time_zone), "purpose": purpose})
        return [UsageSum(*row) for row in cursor.fetchall()]


def each_usage_row(
    *, since: datetime, until: datetime, time_zone: str, purpose: str = "", at_once: int = 1_000
) -> Iterator[UsageRow]:
    """The export, the newest day first, read in pieces. Needs `tenant_tx` until it is used up."""
    sql = (
        "SELECT (at AT TIME ZONE %(zone)s)::date, assistant_id, channel, model_label, purpose, confidence, "  # noqa: S608 - constant texts
        f"{_SUMS} FROM ({_SOURCE}) AS used WHERE (%(purpose)s = '' OR purpose = %(purpose)s) "
        "GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1 DESC, 12 DESC, 4, 5"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {**_parameters(since, until, time_zone), "purpose": purpose})
        while rows := cursor.fetchmany(at_once):
            for row in rows:
                yield UsageRow(*row)


def sum_by_utc_day_and_model(*, since: date, until: date) -> dict[tuple[date, str], Decimal]:
    """What the ledger has for each day of UTC, by which providers bill, and model; `until` is exclusive.

    In a time zone that is not whole hours from UTC, the hourly sums put half an hour into the day beside it.
    """
    sql = (
        "SELECT (at AT TIME ZONE 'UTC')::date, model_label, sum(cost) "  # noqa: S608 - constant texts
        f"FROM ({_SOURCE}) AS used GROUP BY 1, 2"
    )
    start, end = periods.day_of(since, "UTC").starts_at, periods.day_of(until, "UTC").starts_at
    with connection.cursor() as cursor:
        cursor.execute(sql, _parameters(start, end, "UTC"))
        return {(day, model): cost for day, model, cost in cursor.fetchall()}


def model_names() -> dict[str, str]:
    """What the ledger calls each model, by the provider's name and by its label, in small letters."""
    models = list(Model.objects.values_list("name", "label"))
    return {name.lower(): label for pair in models for name, label in ((pair[0], pair[1]), (pair[1], pair[1]))}


def reconcile(bill: str) -> list[reconciliation.Difference]:
    """A provider's bill (CSV: date, model, amount) beside the ledger, the largest difference first.

    Raises `Invalid` for a bill that cannot be read.
    """
    lines = reconciliation.read_bill(bill)
    days = [day for day, _ in lines]
    ledger = sum_by_utc_day_and_model(since=min(days), until=max(days) + timedelta(days=1))
    return reconciliation.compare(lines, ledger, names=model_names())


def _parameters(since: datetime, until: datetime, time_zone: str) -> dict[str, Any]:
    mark = UsageMark.objects.values_list("rolled_until", flat=True).first()
    return {
        "tenant": require_tenant_id(),
        "zone": str(periods.zone_of(time_zone)),
        "since": since,
        "until": until,
        # Nothing is summed yet: all of it is read from the ledger.
        "mark": mark or since,
    }
