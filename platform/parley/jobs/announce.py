"""Telling workers that there is something to look at. A message names no job: order and truth stay in PostgreSQL."""

from __future__ import annotations

from functools import lru_cache
from uuid import UUID

import redis
import structlog
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)

WORK_TASK = "jobs.work"
# More hints than any installation has slots; each costs a worker two milliseconds when there is nothing to do.
MAX_HINTS = 64


def queue_of(job_class: str) -> str:
    """The queue in which workers are told about a class."""
    return f"work.{job_class}"


def announce(job_class: str, *, tenant_id: UUID, job_id: UUID) -> None:
    """After a commit: let a free worker look at once. What gets lost here the tick makes up for."""
    if current_app.conf.task_always_eager:
        # Tests without processes: the job itself, in the caller's thread, through the caller's connection.
        from parley.jobs.run import run_now

        run_now(job_id, tenant_id=tenant_id)
        return
    hint(job_class, 1)


def hint(job_class: str, wanted: int, *, at_most: int = MAX_HINTS) -> int:
    """Put up to `wanted` messages into a class's queue, fewer when `at_most` wait there then; returns how many."""
    try:
        missing = min(wanted, at_most - hints_waiting(job_class))
        for _ in range(missing):
            current_app.send_task(WORK_TASK, kwargs={"job_class": str(job_class)}, queue=queue_of(job_class))
        return max(missing, 0)
    except (redis.RedisError, OperationalError) as error:
        log.warning("jobs.not_announced", error=type(error).__name__)
        return 0


def hints_waiting(job_class: str) -> int:
    """Messages of a class that no worker has taken yet. Raises `redis.RedisError`."""
    prefix: str = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    waiting: int = _broker(settings.CELERY_BROKER_URL).llen(prefix + queue_of(job_class))
    return waiting


@lru_cache(maxsize=2)
def _broker(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
