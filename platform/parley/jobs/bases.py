"""The two kinds of task: one that acts for a tenant, one that looks across tenants."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery import Task, shared_task
from django.db import connections

from parley.tenancy import use_tenant

log = structlog.get_logger(__name__)

TENANT_HEADER = "parley_tenant_id"


class MissingTenant(RuntimeError):
    """A tenant task arrived without a tenant; it ran no query (T-10)."""


class _LoggedTask(Task):  # type: ignore[type-arg] # generic only in the stubs
    abstract = True
    # Why a second delivery does no harm, in a sentence (C-11).
    safe_to_repeat: str = ""

    def run_logged(self, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        outcome = "failed"
        try:
            result = call()
            outcome = "done"
            return result
        finally:
            log.info(
                "task.finished",
                task=self.name,
                outcome=outcome,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
            if not self.request.is_eager:
                connections.close_all()


class TenantTask(_LoggedTask):
    """Runs its body for the tenant named in the message's header, or not at all."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tenant = (self.request.headers or {}).get(TENANT_HEADER) or self.request.get(TENANT_HEADER)
        if not tenant:
            raise MissingTenant(f"The task {self.name} came without a tenant and was not run.")
        with (
            structlog.contextvars.bound_contextvars(tenant_id=tenant, task_id=self.request.id),
            use_tenant(UUID(tenant)),
        ):
            return self.run_logged(lambda: super(TenantTask, self).__call__(*args, **kwargs))


class PlatformTask(_LoggedTask):
    """Runs for no tenant: it may only read through the platform role and start tenant tasks."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with structlog.contextvars.bound_contextvars(task_id=self.request.id):
            return self.run_logged(lambda: super(PlatformTask, self).__call__(*args, **kwargs))


def tenant_task(
    *, name: str, soft_time_limit: int, time_limit: int, safe_to_repeat: str
) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task that acts for one tenant. Its arguments are ids; the body opens `tenant_tx()`.

    Redelivery is normal (late acknowledgement): `safe_to_repeat` says why the body may run twice. Limits in
    seconds; both must lie below the broker's visibility timeout.
    """
    return _declare(TenantTask, name, soft_time_limit, time_limit, safe_to_repeat)


def platform_task(
    *, name: str, soft_time_limit: int, time_limit: int, safe_to_repeat: str
) -> Callable[[Callable[..., Any]], Any]:
    """Declare a task that looks across tenants (sweepers, beat). Otherwise as `tenant_task`."""
    return _declare(PlatformTask, name, soft_time_limit, time_limit, safe_to_repeat)


def _declare(
    base: type[_LoggedTask], name: str, soft_time_limit: int, time_limit: int, safe_to_repeat: str
) -> Callable[[Callable[..., Any]], Any]:
    declare: Callable[[Callable[..., Any]], Any] = shared_task(
        name=name,
        base=base,
        soft_time_limit=soft_time_limit,
        time_limit=time_limit,
        safe_to_repeat=safe_to_repeat,
    )
    return declare
