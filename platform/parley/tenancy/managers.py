"""Managers that refuse to answer without a tenant."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from parley.tenancy.context import require_tenant_id

M = TypeVar("M", bound=models.Model)

PLATFORM_ALIAS = "platform"


class TenantManager(models.Manager[M]):
    """Filters by the ambient tenant; without one it raises `NoTenantContext` instead of returning nothing.

    Row-level security already hides other tenants' rows. The explicit filter gives the planner its literal.
    """

    use_in_migrations = False

    def get_queryset(self) -> models.QuerySet[M]:
        return super().get_queryset().filter(tenant_id=require_tenant_id())


class AcrossTenantsManager(models.Manager[M]):
    """All tenants' rows through the platform role, for sweepers and look-ups before a tenant is known.

    Works only for tables whose policy grants that role access (`platform_access`).
    """

    use_in_migrations = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._db = PLATFORM_ALIAS
