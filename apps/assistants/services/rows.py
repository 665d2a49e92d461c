"""The row lock that writers of one assistant wait for."""

from uuid import UUID

from apps.assistants.models import Assistant
from parley.errors import NotFound


def lock_assistant(assistant_id: UUID) -> Assistant:
    """The assistant with its production version, locked until the transaction ends. Raises `NotFound`."""
    assistant: Assistant | None = (
        Assistant.objects.select_for_update(of=("self",))
        .select_related("published_version")
        .filter(id=assistant_id, deleted_at=None)
        .first()
    )
    if assistant is None:
        raise NotFound("There is no such assistant.")
    return assistant
