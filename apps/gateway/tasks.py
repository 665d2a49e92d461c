"""Jobs of the gateway."""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from apps.gateway.enums import HoldState
from apps.gateway.models import Hold
from apps.gateway.services import alerts, holds, rollups
from apps.tenants import selectors as tenants
from parley.jobs import enqueue, job, platform_task, tenant_task
from parley.jobs.context import JobContext
from parley.tenancy import tenant_tx

_BATCH = 500


@job(
    kind=alerts.DELIVER_JOB,
    title="Tell about a budget",
    safe_to_repeat="what was sent is noted and not sent again; a receiver sees the same id",
    seconds=120,
    max_tries=8,
)
def deliver_alert(run: JobContext) -> None:
    """Send one alert by mail and webhook."""
    alerts.deliver(alert_id=run.subject())


@platform_task(
    name="gateway.sweep_usage", soft_time_limit=60, time_limit=90, safe_to_repeat="it only looks and announces"
)
def sweep_usage() -> None:
    """Have each tenant's ledger summed up to the last closed hour."""
    for tenant_id in tenants.list_tenant_ids():
        enqueue("gateway.roll_up_usage", tenant_id=tenant_id)


@tenant_task(
    name="gateway.roll_up_usage",
    soft_time_limit=600,
    time_limit=660,
    safe_to_repeat="an hour that is summed again is replaced",
)
def roll_up_usage() -> None:
    """Sum this tenant's ledger by hour."""
    rollups.roll_up()


@platform_task(
    name="gateway.sweep_holds", soft_time_limit=20, time_limit=30, safe_to_repeat="it only looks and announces"
)
def sweep_holds() -> None:
    """Find tenants with reservations that nobody settled in time, and have each of them closed."""
    dead = Hold.across_tenants.filter(state=HoldState.HELD, expires_at__lte=Now())
    for tenant_id in dead.values_list("tenant_id", flat=True).distinct():
        enqueue("gateway.expire_holds", tenant_id=tenant_id)


@tenant_task(
    name="gateway.expire_holds",
    soft_time_limit=60,
    time_limit=90,
    safe_to_repeat="a hold that is closed is not closed again",
)
def expire_holds() -> None:
    """Charge this tenant's dead reservations, each by itself: killed anywhere, the next run goes on."""
    with tenant_tx():
        dead = Hold.objects.filter(state=HoldState.HELD, expires_at__lte=Now()).order_by("expires_at")
        call_ids: list[UUID] = list(dead.values_list("call_id", flat=True)[:_BATCH])
    for call_id in call_ids:
        with tenant_tx():
            holds.expire(call_id=call_id)
