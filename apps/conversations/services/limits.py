"""How much one visitor may ask: the last wall before somebody else's money (widget and public page)."""

from __future__ import annotations

from django.core.cache import cache

from parley.errors import TooMany
from parley.tenancy import tenant_key
from parley.web.actors import Actor

VISITOR_MESSAGES = 30
WINDOW_SECONDS = 600


def require_room(actor: Actor) -> None:
    """Count a visitor's message. Raises `TooMany` after 30 in ten minutes; members and keys have budgets."""
    if actor.kind != "visitor" or actor.id is None:
        return
    key = tenant_key("visitor-messages", actor.id)
    if cache.add(key, 1, WINDOW_SECONDS):
        return
    if cache.incr(key) > VISITOR_MESSAGES:
        raise TooMany("You have asked a lot in a short time. Please wait a few minutes.", retry_after=60)
