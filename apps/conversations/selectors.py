"""Reads about conversations."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery

from apps.assistants.contracts import Turn
from apps.conversations import frames, presentation
from apps.conversations.contracts import Exchange
from apps.conversations.enums import OPEN_STATUSES, Channel, GenerationStatus, MessageRole
from apps.conversations.models import Citation, Conversation, Generation, Message, Rating
from apps.conversations.policies import require_may_read, require_may_write
from parley.errors import NotFound
from parley.realtime import Event, Snapshot
from parley.web.actors import Actor

HISTORY_MESSAGES = 40

FAILED_SENTENCE = "The answer could not be written. Try again."
INTERRUPTED_SENTENCE = "The answer was interrupted. What was written so far is kept; you can ask for it again."


def get_conversation(actor: Actor, conversation_id: UUID, *, to_write: bool = False) -> Conversation:
    """A conversation that the actor may read (or write in). Raises `NotFound`, `Forbidden`."""
    conversation = Conversation.objects.select_related("assistant", "version").filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound("There is no such conversation.")
    (require_may_write if to_write else require_may_read)(actor, conversation)
    return conversation


def list_conversations(*, text: str = "", rating: str = "", channel: str = "") -> QuerySet[Conversation]:
    """Conversations of the ambient tenant, last spoken first, with `rating` (up, down, None)."""
    rated = Rating.objects.filter(message__conversation=OuterRef("pk"))
    rows = Conversation.objects.select_related("assistant", "user").annotate(
        rating=Subquery(rated.order_by("-value").values("value")[:1])
    )
    if text:
        said = Message.objects.filter(conversation=OuterRef("pk"), text__icontains=text)
        rows = rows.filter(Q(title__icontains=text) | Exists(said))
    if rating:
        rows = rows.filter(Exists(rated.filter(value=rating)))
    rows = rows.filter(channel=channel) if channel else rows.exclude(channel=Channel.TEST)
    return rows.order_by("-last_message_at", "-id")


def list_messages(conversation_id: UUID) -> QuerySet[Message]:
    """Messages in order, without replaced answers, with all that `presentation.message_dict` needs."""
    return _with_parts(Message.objects.filter(conversation_id=conversation_id, replaced_by=None)).order_by("id")


def get_message(actor: Actor, message_id: UUID) -> Message:
    """One message that the actor may read. Raises `NotFound`."""
    message = _with_parts(Message.objects.select_related("conversation").filter(id=message_id)).first()
    if message is None:
        raise NotFound("There is no such message.")
    require_may_read(actor, message.conversation)
    return message


def _with_parts(messages: QuerySet[Message]) -> QuerySet[Message]:
    return messages.prefetch_related(
        Prefetch("citations", queryset=Citation.objects.order_by("marker")),
        Prefetch("generations", queryset=Generation.objects.order_by("-created_at")),
        Prefetch("ratings", queryset=Rating.objects.all()),
    )


def get_generation(actor: Actor, generation_id: UUID) -> Generation:
    """One run that the actor may see. Raises `NotFound`."""
    generation = Generation.objects.select_related("conversation").filter(id=generation_id).first()
    if generation is None:
        raise NotFound("There is no such generation.")
    require_may_read(actor, generation.conversation)
    return generation


def find_open_generation(conversation_id: UUID) -> Generation | None:
    """The run that is under way in a conversation, or None."""
    return Generation.objects.filter(conversation_id=conversation_id, status__in=OPEN_STATUSES).first()


def history_before(question: Message) -> tuple[Turn, ...]:
    """The turns that came before a question, oldest first; empty and replaced answers are left out."""
    with connection.cursor() as cursor:
        # By hand: each message asks this, and composing the query took longer than answering it.
        cursor.execute(
            "SELECT role, text FROM conversations_message WHERE tenant_id = %s AND conversation_id = %s AND id < %s "
            "AND replaced_by_id IS NULL AND text <> '' ORDER BY id DESC LIMIT %s",
            [question.tenant_id, question.conversation_id, question.id, HISTORY_MESSAGES],
        )
        rows = cursor.fetchall()
    turns = [Turn("user" if role == MessageRole.USER else "assistant", text) for role, text in rows]
    return tuple(reversed(turns))


def load_snapshot(generation_id: UUID) -> Snapshot:
    """The durable state of a run, for readers that neither a process nor the log can help. Raises `NotFound`."""
    generation = Generation.objects.filter(id=generation_id).first()
    if generation is None:
        raise NotFound("There is no such generation.")
    if generation.status in OPEN_STATUSES:
        return frames.snapshot(generation.id, generation.seq, generation.text, status=generation.status)
    return frames.snapshot(
        generation.id,
        max(0, generation.seq - 1),
        generation.text,
        status=generation.status,
        last=Event(max(1, generation.seq), closing_frame(generation), True),
    )


def closing_frame(generation: Generation) -> str:
    """The last frame of a run that has ended, from its rows."""
    message = _with_parts(Message.objects.filter(id=generation.message_id)).get()
    return frames.closing(
        generation.id,
        max(1, generation.seq),
        presentation.message_dict(message),
        failure=None if generation.status in ENDED_WELL else generation.error or FAILED_SENTENCE,
    )


ENDED_WELL = (GenerationStatus.COMPLETED, GenerationStatus.CANCELLED)


def get_exchange(message_id: UUID) -> Exchange:
    """The question, the answer and the rating of an answer in a conversation. Raises `NotFound`."""
    answer = (
        _with_parts(Message.objects.select_related("conversation").filter(id=message_id, role=MessageRole.ASSISTANT))
        .exclude(text="")
        .first()
    )
    if answer is None:
        raise NotFound("There is no such answer.")
    generation = answer.generations.select_related("question").order_by("created_at").first()
    if generation is None:
        raise NotFound("There is no such answer.")
    rating = answer.ratings.first()
    citations = list(answer.citations.all())
    return Exchange(
        conversation_id=answer.conversation_id,
        message_id=answer.id,
        question=generation.question.text,
        answer=answer.text,
        assistant_id=answer.conversation.assistant_id,
        cited_document_ids=tuple(dict.fromkeys(citation.document_id for citation in citations)),
        cited_titles=tuple(dict.fromkeys(citation.title for citation in citations)),
        rating=rating.value if rating else "",
        reasons=tuple(rating.reasons) if rating else (),
        comment=rating.comment if rating else "",
    )
