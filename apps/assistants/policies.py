"""What may be done with an assistant in which state; one truth for pages, API and services."""

from apps.assistants.models import Assistant
from parley.errors import Conflict


def may_answer(assistant: Assistant) -> bool:
    """Whether visitors can reach it: published, not paused, not deleted."""
    return bool(assistant.published_version_id) and not assistant.is_paused and assistant.deleted_at is None


def require_may_answer(assistant: Assistant) -> None:
    """The twin of `may_answer`. Raises `Conflict` with what to do about it."""
    if not assistant.published_version_id:
        raise Conflict(f"{assistant.name} has not been published yet. Publish a version first.")
    if not may_answer(assistant):
        raise Conflict(f"{assistant.name} is paused and does not answer at the moment.")
