"""What chat templates show, gathered from rows that were loaded with all their parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from apps.conversations.enums import OPEN_STATUSES, GenerationStatus, MessageRole, RatingReason, RatingValue
from apps.conversations.models import Citation, Generation, Message, Rating
from apps.conversations.presentation import generation_of
from parley.web.markdown import render_cited_markdown

_REASONS_UP = (RatingReason.CORRECT, RatingReason.CLEAR, RatingReason.COMPLETE, RatingReason.OTHER)
_REASONS_DOWN = (
    RatingReason.WRONG,
    RatingReason.INCOMPLETE,
    RatingReason.UNCLEAR,
    RatingReason.WRONG_SOURCE,
    RatingReason.OFF_TOPIC,
    RatingReason.OTHER,
)
RATING_FORMS = (
    {"value": RatingValue.UP, "title": "What was good about it?", "reasons": _REASONS_UP},
    {"value": RatingValue.DOWN, "title": "What was wrong with it?", "reasons": _REASONS_DOWN},
)


@dataclass(frozen=True, slots=True)
class ShownCitation:
    """A source below an answer; the passage in three parts, the middle one being what the answer leans on."""

    marker: int
    title: str
    location: str
    before: str
    quote: str
    after: str
    url: str


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """What was found about one sentence of an answer."""

    sentence: str
    verdict: str
    word: str
    is_shown: bool

    @property
    def tone(self) -> str:
        """The badge's colour."""
        return {"supported": "good", "contradicted": "bad"}.get(self.verdict, "warn")


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """A message as the templates need it."""

    id: str
    is_answer: bool
    text: str
    html: SafeString
    status: str
    error: str
    is_open: bool
    generation_id: str
    seq: int
    citations: tuple[ShownCitation, ...]
    rating: Rating | None
    model: str
    created_at: Any
    checks: tuple[ShownCheck, ...] = ()

    @property
    def is_ended(self) -> bool:
        """Whether the answer can be rated, copied or asked for again."""
        return self.is_answer and not self.is_open

    @property
    def doubted(self) -> int:
        """How many of the checked sentences the passages do not support."""
        return sum(check.verdict != "supported" for check in self.checks)

    @property
    def was_cut(self) -> bool:
        """Whether the answer ended before it was whole."""
        return self.status in (GenerationStatus.CANCELLED, GenerationStatus.INTERRUPTED, GenerationStatus.FAILED)


def shown(message: Message) -> ShownMessage:
    """A message with its text as HTML; the text of an answer under way is left to the page's script."""
    generation = generation_of(message)
    is_open = generation is not None and generation.status in OPEN_STATUSES
    citations = tuple(_shown_citation(citation) for citation in message.citations.all())
    titles = {citation.marker: citation.title for citation in citations}
    text = message.text or _text_so_far(generation)
    return ShownMessage(
        id=str(message.id),
        is_answer=message.role == MessageRole.ASSISTANT,
        text=text,
        html=render_cited_markdown(text, titles, f"source-{message.id}"),
        status=generation.status if generation else GenerationStatus.COMPLETED,
        error=generation.error if generation else "",
        is_open=is_open,
        generation_id=str(generation.id) if generation else "",
        seq=generation.seq if generation else 0,
        citations=citations,
        rating=next(iter(message.ratings.all()), None),
        model=generation.model_label if generation else "",
        created_at=message.created_at,
        checks=tuple(_shown_check(check) for check in message.checks or ()),
    )


def shown_thread(messages: Iterable[Message]) -> list[ShownMessage]:
    """Messages in order."""
    return [shown(message) for message in messages]


def _text_so_far(generation: Generation | None) -> str:
    return generation.text if generation else ""


def _shown_check(check: dict[str, Any]) -> ShownCheck:
    return ShownCheck(check["sentence"], check["verdict"], check["word"] or "", check["is_shown"])


def _shown_citation(citation: Citation) -> ShownCitation:
    before, quote, after = citation.text, "", ""
    if citation.quote and citation.quote in citation.text:
        before, quote, after = citation.text.partition(citation.quote)
    # A section that is called like its document says nothing.
    location = citation.location if citation.location != citation.title else ""
    return ShownCitation(citation.marker, citation.title, location, before, quote, after, citation.url)
