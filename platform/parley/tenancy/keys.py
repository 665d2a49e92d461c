"""Names of everything outside PostgreSQL that holds tenant data."""

from __future__ import annotations

from uuid import UUID

from parley.tenancy.context import require_tenant_id


def tenant_key(*parts: str | int | UUID, tenant_id: UUID | None = None) -> str:
    """`t:<tenant>:<part>:…` for cache, Valkey, channel and storage names.

    The ambient tenant is used unless one is given. Raises `NoTenantContext` when there is neither.
    """
    owner = tenant_id if tenant_id is not None else require_tenant_id()
    return ":".join(["t", str(owner), *(str(part) for part in parts)])
