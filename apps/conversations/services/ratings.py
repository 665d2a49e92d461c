"""Ratings of answers: one per answer, the last word counts."""

from __future__ import annotations

from collections.abc import Sequence

from apps.conversations.enums import MessageRole, RatingReason, RatingValue
from apps.conversations.models import Message, Rating
from parley.errors import Invalid

MAX_COMMENT = 4_000


def rate_message(*, message: Message, value: str, reasons: Sequence[str] = (), comment: str = "") -> Rating:
    """Set what somebody thought of an answer. Safe to repeat. Raises `Invalid` with sentences by field."""
    errors: dict[str, list[str]] = {}
    if value not in RatingValue.values:
        errors["value"] = ["Choose up or down."]
    if unknown := [reason for reason in reasons if reason not in RatingReason.values]:
        errors["reasons"] = [f"{unknown[0]!r} is no reason. There are: {', '.join(RatingReason.values)}."]
    if len(comment) > MAX_COMMENT:
        errors["comment"] = [f"Write at most {MAX_COMMENT:,} characters."]
    if message.role != MessageRole.ASSISTANT:
        errors["value"] = ["Only answers can be rated."]
    if errors:
        raise Invalid("The rating is not valid.", errors=errors)
    rating, _ = Rating.objects.update_or_create(
        message=message,
        defaults={"value": value, "reasons": list(dict.fromkeys(reasons)), "comment": comment.replace("\0", "")},
    )
    return rating


def clear_rating(*, message: Message) -> None:
    """Take a rating back. Safe to repeat."""
    Rating.objects.filter(message=message).delete()
