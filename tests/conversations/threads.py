"""Finished conversations made of rows, for pages that only read them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.conversations.enums import Channel, GenerationStatus, MessageRole
from apps.conversations.models import Citation, Conversation, Generation, Message
from parley.db.ids import uuid7


def make_conversation(assistant: Any, *, title: str = "", user: Any = None, **fields: Any) -> Conversation:
    """A conversation without messages, in the ambient tenant."""
    values = {"channel": Channel.PAGE, "version_id": assistant.published_version_id, **fields}
    return Conversation.objects.create(
        assistant_id=assistant.id, title=title, user_id=user.id if user else None, **values
    )


def add_exchange(conversation: Conversation, question: str, answer: str, **fields: Any) -> Message:
    """A question and its finished answer; returns the answer."""
    asked = Message.objects.create(conversation=conversation, role=MessageRole.USER, text=question)
    answered = Message.objects.create(conversation=conversation, role=MessageRole.ASSISTANT, text=answer)
    Generation.objects.create(
        conversation=conversation,
        question=asked,
        message=answered,
        **{"client_id": str(uuid7()), "status": GenerationStatus.COMPLETED, "seq": 3, "text": answer, **fields},
    )
    return answered


def cite(answer: Message, marker: int, **fields: Any) -> Citation:
    """A source of an answer."""
    values = {"title": "Plans", "location": "Page 2", "text": "The Team plan includes 15 seats. Ask us for more."}
    ids: dict[str, UUID] = {"chunk_id": uuid7(), "document_id": uuid7()}
    return Citation.objects.create(message=answer, marker=marker, **ids, **{**values, **fields})
