"""Who is acting: set once at the door, read by whoever must name it (audit, policies)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from parley.errors import Forbidden


@dataclass(frozen=True, slots=True)
class TenantRef:
    """The organisation a request is for."""

    id: UUID
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in member, an API key or a visitor, with exactly the permissions it has in one tenant."""

    kind: Literal["user", "api_key", "visitor", "system"]
    id: UUID | None
    label: str
    tenant: TenantRef
    permissions: frozenset[str]
    role: str = ""

    def can(self, permission: str) -> bool:
        """Whether this actor holds a permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """The twin of `can`. Raises `Forbidden` with the sentence the person reads."""
        if permission not in self.permissions:
            holder = f"The role {self.role}" if self.kind == "user" else "This API key"
            raise Forbidden(f"{holder} does not include {permission!r}. Ask an owner or admin for it.")


_acting: ContextVar[Actor | None] = ContextVar("parley_actor", default=None)


def current_actor() -> Actor | None:
    """Who the running code acts for, or None in jobs and commands."""
    return _acting.get()


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    """Name the actor for everything inside."""
    token = _acting.set(actor)
    try:
        yield actor
    finally:
        _acting.reset(token)
