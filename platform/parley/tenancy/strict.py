"""Strict mode: a statement on a tenant table outside `tenant_tx` raises.

Row-level security alone would answer with an empty list and hide the defect.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper

from parley.tenancy.context import NoTenantContext
from parley.tenancy.models import TenantOwned
from parley.tenancy.transactions import bound_tenant_id


def tenant_models() -> list[type[TenantOwned]]:
    """Every concrete model that belongs to a tenant, in registry order."""
    return [model for model in apps.get_models() if issubclass(model, TenantOwned)]


@lru_cache(maxsize=1)
def _tenant_table_pattern() -> re.Pattern[str]:
    tables = sorted((model._meta.db_table for model in tenant_models()), key=len, reverse=True)
    return re.compile(r"(?<![\w])(?:" + "|".join(map(re.escape, tables)) + r")(?![\w])")


def refuse_without_tenant(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """A database `execute_wrapper`. Raises `NoTenantContext` before the statement is sent."""
    connection: BaseDatabaseWrapper = context["connection"]
    if bound_tenant_id(connection) is None:
        match = _tenant_table_pattern().search(sql if isinstance(sql, str) else str(sql))
        if match is not None:
            raise NoTenantContext(f"A statement on the tenant table {match.group()} ran outside tenant_tx().")
    return execute(sql, params, many, context)


def install_strict_mode(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Receiver of `connection_created`: guards the application role's connections."""
    if connection.alias == DEFAULT_DB_ALIAS and refuse_without_tenant not in connection.execute_wrappers:
        connection.execute_wrappers.append(refuse_without_tenant)
