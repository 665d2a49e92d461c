"""Who may open a socket: its origin, its credentials, its pace."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from apps.conversations import selectors
from apps.conversations.services.visitors import find_visitor
from parley.errors import Problem
from parley.tenancy import tenant_tx
from parley.web.access import access_resolver
from parley.web.actors import Actor

FRAMES_PER_SECOND = 20.0
FRAMES_AT_ONCE = 40.0


def header(scope: Any, name: bytes) -> str:
    """A header of the handshake, or ''."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def is_own_origin(scope: Any) -> bool | None:
    """Whether the page that opens the socket is ours; None when no browser says so."""
    origin = header(scope, b"origin")
    if not origin:
        return None
    return origin == settings.PARLEY_PUBLIC_URL or urlsplit(origin).netloc == header(scope, b"host")


def find_actor_by_session(user: Any, conversation_id: UUID) -> Actor | None:
    """A signed-in person in the one of their organisations that holds the conversation."""
    for actor in access_resolver().list_actors_of_user(user):
        if _can_read(actor, conversation_id):
            return actor
    return None


def find_actor_by_token(token: str) -> Actor | None:
    """Whom an API key or a visitor token stands for."""
    visitor = find_visitor(token)
    return visitor.actor if visitor else access_resolver().find_actor_by_token(token)


def may_enter(actor: Actor, conversation_id: UUID) -> bool:
    """Whether the actor may read the conversation."""
    return _can_read(actor, conversation_id)


def _can_read(actor: Actor, conversation_id: UUID) -> bool:
    try:
        with tenant_tx(actor.tenant.id):
            selectors.get_conversation(actor, conversation_id)
    except Problem:
        return False
    return True


class Pace:
    """A bucket of frames: 20 a second, 40 at once (A-12)."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = FRAMES_AT_ONCE
        self._at = time.monotonic()

    def is_kept(self) -> bool:
        """Count one frame; false when there were too many."""
        now = time.monotonic()
        self._left = min(FRAMES_AT_ONCE, self._left + (now - self._at) * FRAMES_PER_SECOND)
        self._at = now
        self._left -= 1
        return self._left >= 0
