"""Jobs of evaluations: ids in, one service call each."""

from __future__ import annotations

from uuid import UUID

from apps.evaluations import selectors
from apps.evaluations.services import experiments, running
from parley.jobs import enqueue, platform_task, tenant_task


@tenant_task(
    name="evaluations.drive_experiment",
    soft_time_limit=50,
    time_limit=60,
    safe_to_repeat="it only does what the rows say is missing",
)
def drive_experiment(*, experiment_id: str) -> None:
    """Bring one experiment forward from its rows."""
    experiments.drive_experiment(experiment_id=UUID(experiment_id))


@tenant_task(
    name="evaluations.evaluate_case",
    soft_time_limit=780,
    time_limit=840,
    safe_to_repeat="the claim of the planned case decides, and results are unique",
)
def evaluate_case(*, planned_case_id: str) -> None:
    """Answer and judge one case, then let the experiment announce the next."""
    experiment_id = running.evaluate_case(planned_case_id=UUID(planned_case_id))
    if experiment_id is not None:
        experiments.drive_experiment(experiment_id=experiment_id)


@platform_task(
    name="evaluations.sweep_experiments",
    soft_time_limit=50,
    time_limit=60,
    safe_to_repeat="it only looks and announces",
)
def sweep_experiments() -> None:
    """Drive every open experiment of every tenant: lost messages and dead workers are made up for here."""
    for tenant_id, experiment_id in selectors.list_open_experiments_across_tenants():
        enqueue("evaluations.drive_experiment", tenant_id=tenant_id, experiment_id=str(experiment_id))
