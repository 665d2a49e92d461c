"""What may be done with an assistant in which state; one truth for pages, API and services."""

from apps.assistants.models import Assistant
from parley.errors import Conflict
from parley.web.actors import Actor

PRODUCTION = "production"
STAGING = "staging"
# Labels that every assistant has, also while they point nowhere.
STANDING_LABELS = (PRODUCTION, STAGING)


def may_answer(assistant: Assistant) -> bool:
    """Whether visitors can reach it: published, not paused, not deleted."""
    return bool(assistant.published_version_id) and not assistant.is_paused and assistant.deleted_at is None


def require_may_answer(assistant: Assistant) -> None:
    """The twin of `may_answer`. Raises `Conflict` with what to do about it."""
    if not assistant.published_version_id:
        raise Conflict(f"{assistant.name} has not been published yet. Publish a version first.")
    if not may_answer(assistant):
        raise Conflict(f"{assistant.name} is paused and does not answer at the moment.")


def may_move_label(actor: Actor, assistant: Assistant, label: str) -> bool:
    """Whether this actor may move a label: `production` takes the right to publish, the others the right to edit.

    A protected label takes the right to protect besides.
    """
    return all(actor.can(permission) for permission in _permissions_for(assistant, label))


def require_move_label(actor: Actor, assistant: Assistant, label: str) -> None:
    """The twin of `may_move_label`. Raises `Forbidden` with the permission that is missing."""
    for permission in _permissions_for(assistant, label):
        actor.require(permission)


def _permissions_for(assistant: Assistant, label: str) -> tuple[str, ...]:
    needed = "assistants.publish" if label == PRODUCTION else "assistants.edit"
    return (needed, "assistants.protect") if label in assistant.protected_labels else (needed,)
