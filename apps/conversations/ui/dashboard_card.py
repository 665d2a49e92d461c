"""What the dashboard says about conversations."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Count as Number
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from apps.conversations.enums import Channel, RatingValue
from apps.conversations.models import Conversation, Rating
from parley.web.actors import Actor
from parley.web.dashboard import Attention, Contribution, Count, Step

_WEEK = timedelta(days=7)


def conversations_card(actor: Actor, tenant_slug: str) -> Contribution:
    """Conversations of the last seven days, unhelpful answers to read, the first question as a step; two queries."""
    if not actor.can("conversations.view"):
        return Contribution()
    href = reverse("conversations:conversation_list", kwargs={"tenant_slug": tenant_slug})
    since = timezone.now() - _WEEK
    found = Conversation.objects.aggregate(
        week=Number("id", filter=Q(last_message_at__gte=since) & ~Q(channel=Channel.TEST)), ever=Number("id")
    )
    unhelpful = Rating.objects.filter(value=RatingValue.DOWN, updated_at__gte=since).count()
    attention: tuple[Attention, ...] = ()
    if unhelpful:
        noun = "answer was" if unhelpful == 1 else "answers were"
        sentence = f"{unhelpful:,} {noun} rated as not helpful in the last seven days."
        attention = (Attention(sentence, f"{href}?rating=down", "Read them"),)
    steps: tuple[Step, ...] = ()
    if actor.can("conversations.chat"):
        hint = "See how an answer shows the passage it comes from."
        steps = (Step("Ask a first question", hint, href, "Open Conversations", found["ever"] > 0, "message-circle"),)
    return Contribution((Count("Conversations", f"{found['week']:,}", href, "in the last 7 days"),), attention, steps)
