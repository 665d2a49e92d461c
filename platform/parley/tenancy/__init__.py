"""Which tenant the running code acts for, and the walls that hold when it is forgotten."""

from parley.tenancy.context import (
    NoTenantContext,
    TenantMismatch,
    current_tenant_id,
    require_tenant_id,
    use_tenant,
)
from parley.tenancy.keys import tenant_key
from parley.tenancy.transactions import tenant_tx

__all__ = [
    "NoTenantContext",
    "TenantMismatch",
    "current_tenant_id",
    "require_tenant_id",
    "tenant_key",
    "tenant_tx",
    "use_tenant",
]
