"""The Celery side of jobs: a turn of work, the tick, and tidying up."""

from __future__ import annotations

from parley.jobs import run, tend
from parley.jobs.announce import WORK_TASK
from parley.jobs.bases import platform_task


@platform_task(
    name=WORK_TASK,
    soft_time_limit=840,
    time_limit=900,
    safe_to_repeat="the claim in PostgreSQL decides who runs a job; a second message finds it taken",
)
def work(*, job_class: str) -> None:
    """Run what is next, whoever's it is. The runner acts for the tenant of the job it has claimed."""
    tend.reap_if_due()
    run.take_turn(job_class)


@platform_task(
    name="jobs.tend",
    soft_time_limit=20,
    time_limit=30,
    safe_to_repeat="expired leases are requeued by their attempt, and hints may be too many",
)
def tend_jobs() -> None:
    """Take up what dead workers left, and tell workers what the broker may have lost."""
    tend.reap()
    tend.announce_due()


@platform_task(name="jobs.tidy", soft_time_limit=60, time_limit=90, safe_to_repeat="what is deleted is not found again")
def tidy_jobs() -> None:
    """Delete ended jobs after their time."""
    tend.tidy()
