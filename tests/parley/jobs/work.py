"""Kinds of job for the tests, also loaded by the worker processes that the tests start and kill."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from parley.jobs import Transition, job, platform_task
from parley.jobs.context import JobContext
from parley.tenancy import current_tenant_id, tenant_tx

seen: list[Any] = []
changes: list[tuple[str, str]] = []
behaviour: dict[str, Callable[[JobContext], None]] = {}


def note_change(change: Transition) -> None:
    changes.append((change.state.value, change.sentence))


@job(kind="tests.note", title="Take a note", safe_to_repeat="it only looks", max_tries=3, on_change=note_change)
def note(context: JobContext) -> None:
    """Whatever a test wants it to do."""
    seen.append((current_tenant_id(), context.subject_id, dict(context.arguments), context.attempt))
    behaviour.get("note", lambda _: None)(context)


def leave_effect(context: JobContext) -> None:
    """A row whose being there twice would be a defect, written together with the job's end."""
    with tenant_tx():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO effect (job_id, attempt) VALUES (%s, %s)", [context.job_id, context.attempt])
        context.complete()


@job(kind="tests.empty", title="Do nothing", safe_to_repeat="it does nothing at all")
def empty(context: JobContext) -> None:
    """What a job costs by itself."""


@platform_task(name="tests.plain", soft_time_limit=5, time_limit=10, safe_to_repeat="it does nothing at all")
def plain() -> None:
    """What a Celery task costs by itself."""


@job(kind="tests.effect", title="Leave an effect", safe_to_repeat="effect and end are one transaction", max_tries=9)
def effect(context: JobContext) -> None:
    """Take `ms` of time, then leave an effect."""
    time.sleep(int(str(context.arguments.get("ms", 0))) / 1000)
    leave_effect(context)


@job(kind="tests.long", title="Work long", safe_to_repeat="steps are counted", yields=True)
def long(context: JobContext) -> None:
    """Many short steps with a checkpoint after each, for `ms` altogether."""
    steps = int(str(context.arguments["ms"])) // 50
    for step in range(steps):
        time.sleep(0.05)
        context.progress(step + 1, steps, "stepping")
    leave_effect(context)


@job(kind="tests.stubborn", title="Never listen", safe_to_repeat="it has no effect", seconds=300)
def stubborn(context: JobContext) -> None:
    """Hears neither a cancellation nor the end of its worker."""
    time.sleep(120)


@job(kind="tests.segfault", title="Crash", safe_to_repeat="it has no effect")
def segfault(context: JobContext) -> None:
    """Reads where there is no memory."""
    ctypes.string_at(0)


@job(kind="tests.hog", title="Eat memory", safe_to_repeat="it has no effect")
def hog(context: JobContext) -> None:
    """Takes more and more memory."""
    eaten = []
    while True:
        eaten.append(os.urandom(5_000_000))
        time.sleep(0.01)


@job(kind="tests.loop", title="Never end", safe_to_repeat="it has no effect", seconds=1)
def loop(context: JobContext) -> None:
    """An endless loop."""
    while True:
        pass
