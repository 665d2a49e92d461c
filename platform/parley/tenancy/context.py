"""The ambient tenant: a context variable that follows tasks, threads and sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

_ambient: ContextVar[UUID | None] = ContextVar("parley_tenant", default=None)


class NoTenantContext(RuntimeError):
    """Tenant data was touched while no tenant was set. Always a defect of the code, never of a user."""


class TenantMismatch(RuntimeError):
    """Code acting for one tenant tried to act for another inside it."""


def current_tenant_id() -> UUID | None:
    """The tenant the running code acts for, or None."""
    return _ambient.get()


def require_tenant_id() -> UUID:
    """The tenant the running code acts for. Raises `NoTenantContext` when there is none."""
    tenant_id = _ambient.get()
    if tenant_id is None:
        raise NoTenantContext("This code needs a tenant: call it inside use_tenant() or tenant_tx().")
    return tenant_id


@contextmanager
def use_tenant(tenant_id: UUID) -> Iterator[UUID]:
    """Act for a tenant without opening a transaction (tasks, sockets, streams).

    Raises `TenantMismatch` when another tenant is already set.
    """
    ambient = _ambient.get()
    if ambient is not None and ambient != tenant_id:
        raise TenantMismatch("Code acting for one tenant may not switch to another.")
    token = _ambient.set(tenant_id)
    try:
        yield tenant_id
    finally:
        _ambient.reset(token)
