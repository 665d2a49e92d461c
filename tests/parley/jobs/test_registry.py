"""Every task and every kind of job keeps the rules that make killing workers harmless."""

from __future__ import annotations

import pytest
from celery import current_app
from django.conf import settings

from parley.config.celery import app
from parley.config.schedule import SCHEDULE
from parley.jobs import job
from parley.jobs.bases import PlatformTask, TenantTask
from parley.jobs.context import JobContext
from parley.jobs.kinds import MAX_SECONDS, list_kinds
from parley.jobs.watch import GRACE_SECONDS

current_app.loader.import_default_modules()
TASKS = {name: task for name, task in current_app.tasks.items() if not name.startswith("celery.")}
VISIBILITY = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_declares_limits_and_why_it_may_run_twice(name: str) -> None:
    """C-04, C-11: a base class that knows its tenant, soft < hard < visibility, and a reason."""
    task = TASKS[name]
    assert isinstance(task, TenantTask | PlatformTask)
    assert 0 < task.soft_time_limit < task.time_limit < VISIBILITY
    assert len(task.safe_to_repeat.split()) >= 3
    assert task.acks_late
    assert task.reject_on_worker_lost


@pytest.mark.parametrize("kind", [kind for kind in list_kinds() if not kind.kind.startswith("tests.")])
def test_every_kind_of_job_declares_the_same(kind: object) -> None:
    """C-04, C-11: a run is ended before the message that carries it would be delivered again."""
    from parley.jobs.kinds import JobKind

    assert isinstance(kind, JobKind)
    assert kind.seconds + GRACE_SECONDS < TASKS["jobs.work"].soft_time_limit
    # A webhook's receiver may be away for a while; what is ours needs fewer.
    assert 1 <= kind.max_tries <= 8
    assert len(kind.safe_to_repeat.split()) >= 3
    assert kind.title


def test_a_kind_without_a_reason_or_without_an_end_is_refused() -> None:
    """C-11."""

    def handler(context: JobContext) -> None: ...

    with pytest.raises(ValueError, match="no harm"):
        job(kind="tests.bad", title="Bad", safe_to_repeat=" ")(handler)
    with pytest.raises(ValueError, match="steps"):
        job(kind="tests.bad", title="Bad", safe_to_repeat="it only looks", seconds=MAX_SECONDS + 1)(handler)


def test_the_broker_carries_hints_and_nothing_else() -> None:
    """C-04, C-12: one message at a time, acknowledged late, JSON, no results; queues a flush cannot unbind."""
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_ignore_result
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.worker_max_memory_per_child
    assert app.conf.worker_max_tasks_per_child
    assert {queue.name for queue in app.conf.task_queues} == {"jobs", "work.interactive", "work.bulk"}
    # The default exchange routes by the queue's own name: no binding is kept in Valkey that could be lost.
    assert {queue.exchange.name for queue in app.conf.task_queues} == {""}


def test_the_schedule_names_tasks_that_exist_and_ticks_that_expire() -> None:
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(TASKS)
    assert SCHEDULE["tend jobs"]["options"]["expires"] <= 10
