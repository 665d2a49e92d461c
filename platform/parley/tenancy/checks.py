"""Django system checks about the database role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS

from parley.tenancy.roles import role_facts


def check_database_role(app_configs: Any, databases: Sequence[str] | None, **kwargs: Any) -> list[CheckMessage]:
    """`tenancy.E001`: the application connects with a role that sees all tenants."""
    if not databases or DEFAULT_DB_ALIAS not in databases:
        return []
    complaint = role_facts().complaint
    return [Error(complaint, id="tenancy.E001")] if complaint else []
