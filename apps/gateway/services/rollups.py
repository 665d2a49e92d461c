"""Sums the ledger by hour. Only closed hours are summed: those in which nobody can still be writing."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from apps.gateway import selectors
from apps.gateway.models import UsageMark
from parley.tenancy import require_tenant_id, tenant_tx

# A line is stamped before its transaction commits; no transaction lasts as long as this, and no clock is so wrong.
_SETTLING_HOURS = 1
# One transaction sums at most so much at a time.
_STEP = timedelta(days=7)

_SUM = """
INSERT INTO gateway_usagehour (id, tenant_id, created_at, hour, assistant_id, channel, model_id, model_label, purpose,
    confidence, calls, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost)
SELECT gen_random_uuid(), %(tenant)s, now(), date_trunc('hour', created_at, %(zone)s), assistant_id, channel, model_id,
    model_label, purpose, confidence, count(*) FILTER (WHERE kind = 'charge'), sum(input_tokens),
    sum(cached_input_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost)
FROM gateway_usageentry
WHERE tenant_id = %(tenant)s AND created_at >= %(since)s AND created_at < %(until)s
GROUP BY 4, 5, 6, 7, 8, 9, 10
"""


def roll_up() -> datetime | None:
    """Sum what is closed and not summed yet, step by step. Returns up to when the ledger is summed now.

    Opens its own transactions. Safe to repeat and to kill anywhere: sums and mark are written together, and a second
    run at the same time waits for the mark. None while nothing was ever spent.
    """
    while True:
        with tenant_tx():
            mark, is_done = _step()
        if is_done:
            return mark


def _step() -> tuple[datetime | None, bool]:
    zone = selectors.budget_clock().time_zone
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', statement_timestamp() - make_interval(hours => %s), %s), date_trunc('hour', "
            "(SELECT min(created_at) FROM gateway_usageentry WHERE tenant_id = %s), %s)",
            [_SETTLING_HOURS, zone, require_tenant_id(), zone],
        )
        closed, first = cursor.fetchone()
    if first is None:
        return None, True
    UsageMark.objects.bulk_create([UsageMark(rolled_until=first)], ignore_conflicts=True)
    mark = UsageMark.objects.select_for_update().get()
    until = min(closed, mark.rolled_until + _STEP)
    if until <= mark.rolled_until:
        return mark.rolled_until, True
    values = {"tenant": require_tenant_id(), "zone": zone, "since": mark.rolled_until, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM gateway_usagehour WHERE tenant_id = %(tenant)s AND hour >= date_trunc('hour', %(since)s, "
            "%(zone)s) AND hour < %(until)s",
            values,
        )
        cursor.execute(_SUM, values)
    mark.rolled_until = until
    mark.save(update_fields=["rolled_until"])
    return until, until == closed
