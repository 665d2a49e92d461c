"""The only way to reach tenant rows: a transaction that tells PostgreSQL whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from parley.tenancy.context import require_tenant_id, use_tenant

# The marker lives on the connection, not in a context variable: a context can be copied into another
# thread, whose connection PostgreSQL knows nothing of.
_MARKER = "parley_tenant_id"


def bound_tenant_id(connection: BaseDatabaseWrapper) -> UUID | None:
    """The tenant this connection's open transaction is bound to, or None."""
    if not connection.in_atomic_block:
        return None
    bound: UUID | None = getattr(connection, _MARKER, None)
    return bound


@contextmanager
def tenant_tx(tenant_id: UUID | None = None, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[UUID]:
    """A transaction whose statements see and write this tenant's rows only.

    Without an argument the ambient tenant is used. `app.tenant_id` is set for the transaction alone, so a
    pooled connection cannot carry it further (safety.md §1). Nesting with the same tenant is a savepoint.

    Raises `NoTenantContext` without a tenant, `TenantMismatch` inside another tenant.
    """
    wanted = tenant_id if tenant_id is not None else require_tenant_id()
    connection = connections[using]
    is_nested = connection.in_atomic_block
    with use_tenant(wanted), transaction.atomic(using=using):
        outer = bound_tenant_id(connection)
        if outer == wanted:
            yield wanted
            return
        _bind(connection, wanted)
        try:
            yield wanted
        finally:
            # Inside an outer transaction (tests) the setting would outlive this block.
            setattr(connection, _MARKER, outer)
            if is_nested and not connection.needs_rollback and connection.connection is not None:
                _set_local(connection, outer)


def _bind(connection: BaseDatabaseWrapper, tenant_id: UUID) -> None:
    _set_local(connection, tenant_id)
    setattr(connection, _MARKER, tenant_id)


def _set_local(connection: BaseDatabaseWrapper, tenant_id: UUID | None) -> None:
    value = "" if tenant_id is None else str(tenant_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [value])
