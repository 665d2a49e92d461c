"""What doors and other apps may hold of a conversation: frozen values, no tables."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message was taken: the answer under way and the run that produces it.

    `is_new` is false when the same `client_id` had been accepted before.
    """

    conversation_id: UUID
    message_id: UUID
    generation_id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, with what people thought of it."""

    conversation_id: UUID
    message_id: UUID
    question: str
    answer: str
    assistant_id: UUID
    cited_document_ids: tuple[UUID, ...]
    cited_titles: tuple[str, ...]
    rating: str
    reasons: tuple[str, ...]
    comment: str
