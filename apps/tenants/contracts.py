"""What other apps may hold of this one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key. `token` is the only copy of the usable text: it is shown once and never stored."""

    id: UUID
    name: str
    token: str
    scopes: tuple[str, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedInvitation:
    """A new invitation with the token of its link, which is not stored either."""

    id: UUID
    email: str
    token: str
