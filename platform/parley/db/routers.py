"""Which connection may do what: only the owner's migrates."""

from __future__ import annotations

from typing import Any


class RoleRouter:
    """All aliases are one database seen through different roles."""

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "migrator"

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool:
        return True
