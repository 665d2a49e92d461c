"""How conversations look as JSON, to every door alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.assistants.contracts import SentenceChecked
from apps.conversations.enums import MessageRole
from apps.conversations.models import Citation, Conversation, Generation, Message, Rating
from parley.web.markdown import render_markdown


def conversation_dict(conversation: Conversation) -> dict[str, Any]:
    """A conversation without its messages."""
    return {
        "id": str(conversation.id),
        "assistant": {
            "id": str(conversation.assistant_id),
            "slug": conversation.assistant.slug,
            "name": conversation.assistant.name,
        },
        "version": conversation.version.number if conversation.version else None,
        "label": conversation.label if conversation.version else None,
        "channel": conversation.channel,
        "title": conversation.title,
        "created_at": timestamp(conversation.created_at),
        "last_message_at": timestamp(conversation.last_message_at),
    }


def message_dict(message: Message, *, with_html: bool = False) -> dict[str, Any]:
    """A message with its citations, rating and, for an answer, how it came about. Expects prefetched parts."""
    rating = next(iter(message.ratings.all()), None)
    citations = list(message.citations.all())
    return assembled(message, generation_of(message), citations, rating, with_html=with_html)


def assembled(
    message: Message,
    generation: Generation | None,
    citations: Sequence[Citation],
    rating: Rating | None,
    *,
    with_html: bool = False,
) -> dict[str, Any]:
    """`message_dict` for a caller that holds the parts already."""
    # While an answer is under way its text is the run's.
    text = message.text or (generation.text if generation else "")
    shown = {
        "id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "role": message.role,
        "text": text,
        "created_at": timestamp(message.created_at),
        "status": generation.status if generation else "completed",
        "error": generation.error if generation else "",
        "generation_id": str(generation.id) if generation else None,
        "version": generation.version_number if generation else None,
        "citations": [citation_dict(citation) for citation in citations],
        "checks": message.checks or [],
        "rating": {"value": rating.value, "reasons": rating.reasons, "comment": rating.comment} if rating else None,
        "usage": usage_dict(generation) if generation else None,
    }
    if with_html:
        shown["html"] = str(render_markdown(text))
    return shown


def generation_of(message: Message) -> Generation | None:
    """The run that produces or produced an answer; None for what a visitor wrote."""
    if message.role == MessageRole.USER:
        return None
    return next(iter(message.generations.all()), None)


def citation_dict(citation: Citation) -> dict[str, Any]:
    """A citation with the passage exactly as it was shown."""
    return {
        "marker": citation.marker,
        "chunk_id": str(citation.chunk_id),
        "document_id": str(citation.document_id),
        "title": citation.title,
        "location": citation.location,
        "url": citation.url,
        "text": citation.text,
        "quote": citation.quote,
    }


def check_dict(checked: SentenceChecked) -> dict[str, Any]:
    """What was found about one sentence."""
    return {
        "sentence": checked.sentence,
        "verdict": checked.verdict,
        "suspicion": checked.suspicion,
        "word": checked.word,
        "markers": list(checked.markers),
        "is_shown": checked.is_shown,
    }


def generation_dict(generation: Generation) -> dict[str, Any]:
    """A run and how far it is."""
    return {
        "id": str(generation.id),
        "conversation_id": str(generation.conversation_id),
        "message_id": str(generation.message_id),
        "status": generation.status,
        "text": generation.text,
        "seq": generation.seq,
        "error": generation.error,
        "usage": usage_dict(generation),
        "created_at": timestamp(generation.created_at),
        "finished_at": timestamp(generation.finished_at) if generation.finished_at else None,
    }


def usage_dict(generation: Generation) -> dict[str, Any]:
    """Tokens, money (a decimal string in US dollars, of all calls) and the model that answered, or went on last.

    `failed_calls` are those that failed before it: with `characters` above zero their text stands in the answer.
    """
    return {
        "input_tokens": generation.input_tokens,
        "output_tokens": generation.output_tokens,
        "cost": f"{generation.cost:f}",
        "model": generation.model_label,
        "failed_calls": generation.failed_calls,
        "route_reason": generation.route_reason,
    }


def timestamp(moment: Any) -> str:
    """RFC 3339 in UTC."""
    return str(moment.isoformat().replace("+00:00", "Z"))
