"""Opening conversations."""

from __future__ import annotations

from uuid import UUID

from apps.assistants import selectors as assistants
from apps.assistants.policies import PRODUCTION
from apps.conversations.enums import Channel
from apps.conversations.models import Conversation
from apps.conversations.services.given import Given
from parley.db import uuid7
from parley.web.actors import Actor


def start_conversation(
    *, actor: Actor, assistant: UUID | str, channel: Channel, label: str = PRODUCTION, given: Given | None = None
) -> Conversation:
    """A conversation with an assistant (id or slug), pinned to the version that its label gives it now.

    Where a second version is rolled out, the conversation's id decides which one it is. The test channel talks to
    the draft instead. `given` holds values for the prompt's variables. Raises `NotFound`, `Conflict` (unpublished or
    paused).
    """
    row = assistants.get_assistant(assistant)
    conversation_id = uuid7()
    is_draft = channel == Channel.TEST
    version = None if is_draft else assistants.beginning_version(row, conversation_id, label)
    return Conversation.objects.create(
        id=conversation_id,
        assistant_id=row.id,
        version_id=version.id if version else None,
        label=label,
        given=given or {},
        channel=channel,
        user_id=actor.id if actor.kind == "user" else None,
        api_key_id=actor.id if actor.kind == "api_key" else None,
        visitor_id=actor.id if actor.kind == "visitor" else None,
    )


def find_running_conversation(*, actor: Actor, assistant_id: UUID, channel: Channel) -> Conversation | None:
    """The actor's latest conversation with an assistant through a door, to continue after a reload."""
    owner = {"visitor_id": actor.id} if actor.kind == "visitor" else {"user_id": actor.id}
    return (
        Conversation.objects.select_related("assistant", "version")
        .filter(assistant_id=assistant_id, channel=channel, **owner)
        .order_by("-id")
        .first()
    )
