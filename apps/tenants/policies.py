"""Who may do what: the one table of roles and permissions.

The same permission names are the scopes of API keys. `tests/architecture/role_matrix.csv` is the committed
copy that a test compares with what runs (A-02).
"""

from __future__ import annotations

from collections.abc import Iterable

from apps.tenants.enums import Role
from parley.errors import Forbidden

_VIEWER = {
    "tenant.view",
    "members.view",
    "gateway.view",
    "usage.view",
    "budgets.view",
    "knowledge.view",
    "assistants.view",
    "conversations.view",
    "evaluations.view",
}
_AGENT = _VIEWER | {"conversations.chat", "conversations.rate"}
_EDITOR = _AGENT | {
    "knowledge.edit",
    "assistants.edit",
    "assistants.publish",
    "evaluations.edit",
    "evaluations.run",
}
_ADMIN = _EDITOR | {
    "assistants.protect",
    "gateway.manage",
    "budgets.manage",
    "members.manage",
    "keys.manage",
    "audit.view",
    "jobs.manage",
}
_OWNER = _ADMIN | {"tenant.manage"}

PERMISSIONS_BY_ROLE: dict[str, frozenset[str]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.AGENT: frozenset(_AGENT),
    Role.EDITOR: frozenset(_EDITOR),
    Role.ADMIN: frozenset(_ADMIN),
    Role.OWNER: frozenset(_OWNER),
}
ALL_PERMISSIONS: frozenset[str] = PERMISSIONS_BY_ROLE[Role.OWNER]

# What a visitor of a public page or a widget may do, and nothing else.
VISITOR_PERMISSIONS: frozenset[str] = frozenset({"visitor.chat"})

_RANK = {role: rank for rank, role in enumerate([Role.VIEWER, Role.AGENT, Role.EDITOR, Role.ADMIN, Role.OWNER])}


def may_grant_role(own_role: str, role: str) -> bool:
    """Nobody hands out more than they have."""
    return _RANK[Role(role)] <= _RANK[Role(own_role)]


def require_grant_role(own_role: str, role: str) -> None:
    """The twin of `may_grant_role`. Raises `Forbidden` with the sentence the person reads."""
    if not may_grant_role(own_role, role):
        raise Forbidden(f"Only an {Role(role).label.lower()} can make somebody {Role(role).label.lower()}.")


def excess_scopes(own_permissions: Iterable[str], scopes: Iterable[str]) -> list[str]:
    """Scopes that their creator does not have, sorted; a key never has more than who made it (A-03)."""
    return sorted(set(scopes) - set(own_permissions))
