"""Starting a job by name, once the change that asks for it is committed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import current_app
from django.db import transaction

from parley.jobs.bases import TENANT_HEADER
from parley.tenancy import current_tenant_id


def enqueue(task_name: str, *, tenant_id: UUID | None = None, **arguments: Any) -> None:
    """Start a task after the running transaction commits (at once when there is none).

    The name keeps arrows from running back up between apps. The tenant is the ambient one unless given.
    A lost message is harmless: sweepers start again what rows say is waiting.

    Raises `LookupError` at once when no such task exists.
    """
    tasks = current_app.tasks
    if task_name not in tasks:
        # A web process has not discovered the apps' tasks yet.
        current_app.loader.import_default_modules()
        if task_name not in tasks:
            raise LookupError(f"There is no task named {task_name!r}.")
    owner = tenant_id or current_tenant_id()
    headers = {TENANT_HEADER: str(owner)} if owner else {}
    task = tasks[task_name]
    transaction.on_commit(lambda: task.apply_async(kwargs=arguments, headers=headers), robust=True)
