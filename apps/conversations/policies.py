"""Who may read and write in which conversation: members by permission, visitors only in their own."""

from __future__ import annotations

from apps.conversations.models import Conversation
from parley.errors import Forbidden, NotFound
from parley.web.actors import Actor


def may_read(actor: Actor, conversation: Conversation) -> bool:
    """Members and keys with the permission read all conversations of their tenant, visitors their own."""
    if actor.kind == "visitor":
        return conversation.visitor_id == actor.id
    return actor.can("conversations.view")


def may_write(actor: Actor, conversation: Conversation) -> bool:
    """Nobody speaks in another person's name: members write in their own conversations only."""
    if actor.kind == "visitor":
        return may_read(actor, conversation)
    if not may_read(actor, conversation) or not actor.can("conversations.chat"):
        return False
    return actor.kind != "user" or conversation.user_id == actor.id


def require_may_read(actor: Actor, conversation: Conversation) -> None:
    """The twin of `may_read`. Raises `NotFound`: strangers learn nothing."""
    if not may_read(actor, conversation):
        raise NotFound("There is no such conversation.")


def require_may_write(actor: Actor, conversation: Conversation) -> None:
    """The twin of `may_write`. Raises `NotFound` or `Forbidden`."""
    require_may_read(actor, conversation)
    if not may_write(actor, conversation):
        raise Forbidden("This is somebody else's conversation: you can read it, but not write in it.")
