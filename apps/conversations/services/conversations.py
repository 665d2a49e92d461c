"""Opening conversations."""

from __future__ import annotations

from uuid import UUID

from apps.assistants import selectors as assistants
from apps.conversations.enums import Channel
from apps.conversations.models import Conversation
from parley.web.actors import Actor


def start_conversation(*, actor: Actor, assistant: UUID | str, channel: Channel) -> Conversation:
    """A conversation with an assistant (id or slug), pinned to the version that is published now.

    The test channel talks to the draft instead. Raises `NotFound`, `Conflict` (unpublished or paused).
    """
    is_test = channel == Channel.TEST
    spec = assistants.get_draft_spec(assistant) if is_test else assistants.get_published_spec(assistant)
    return Conversation.objects.create(
        assistant_id=spec.assistant_id,
        version_id=spec.version_id,
        channel=channel,
        user_id=actor.id if actor.kind == "user" else None,
        api_key_id=actor.id if actor.kind == "api_key" else None,
        visitor_id=actor.id if actor.kind == "visitor" else None,
    )


def find_running_conversation(*, actor: Actor, assistant_id: UUID, channel: Channel) -> Conversation | None:
    """The actor's latest conversation with an assistant through a door, to continue after a reload."""
    owner = {"visitor_id": actor.id} if actor.kind == "visitor" else {"user_id": actor.id}
    return (
        Conversation.objects.select_related("assistant")
        .filter(assistant_id=assistant_id, channel=channel, **owner)
        .order_by("-id")
        .first()
    )
