"""Jobs of assistants: ids in, one service call each."""

from __future__ import annotations

from uuid import UUID

from apps.assistants import selectors
from apps.assistants.services import schedules
from parley.jobs import enqueue, platform_task, tenant_task
from parley.tenancy import tenant_tx


@tenant_task(
    name="assistants.carry_out_move",
    soft_time_limit=20,
    time_limit=30,
    safe_to_repeat="the locked row says whether it was carried out",
)
def carry_out_move(*, move_id: str) -> None:
    """Move a label whose time has come."""
    with tenant_tx():
        schedules.carry_out_move(move_id=UUID(move_id))


@platform_task(
    name="assistants.sweep_moves",
    soft_time_limit=20,
    time_limit=30,
    safe_to_repeat="it only looks and announces",
)
def sweep_moves() -> None:
    """Announce every planned move that is due, of every tenant."""
    for tenant_id, move_id in selectors.list_due_moves_across_tenants():
        enqueue("assistants.carry_out_move", tenant_id=tenant_id, move_id=str(move_id))
