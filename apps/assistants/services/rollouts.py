"""Rollouts: a share of the conversations that begin meets a second version."""

from uuid import UUID

from django.db import transaction

from apps.assistants.models import Assistant
from apps.assistants.selectors import get_version
from apps.assistants.services.rows import lock_assistant
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid


@transaction.atomic
def set_rollout(*, assistant_id: UUID, number: int, percent: int) -> Assistant:
    """Let `percent` of 100 new conversations on production begin with version `number`.

    Raising the share of the same version keeps those in that were in. Raises `NotFound`, `Invalid`, `Conflict`
    without a production version to compare with. Audited as `assistant.rollout_set`.
    """
    if not 1 <= percent <= 99:
        sentence = "Choose a share from 1 to 99 percent. For all, move production to the version."
        raise Invalid(sentence, errors={"percent": [sentence]})
    assistant = lock_assistant(assistant_id)
    version = get_version(assistant, number)
    if assistant.published_version is None:
        raise Conflict(f"{assistant.name} has not been published yet. Publish a version first.")
    if version.id == assistant.published_version_id:
        sentence = f"Version {number} is what everybody gets already. Choose another one."
        raise Invalid(sentence, errors={"number": [sentence]})
    before = _state(assistant)
    assistant.rollout_version = version
    assistant.rollout_percent = percent
    _save(assistant, before, action="assistant.rollout_set")
    return assistant


@transaction.atomic
def stop_rollout(*, assistant_id: UUID) -> Assistant:
    """Let every new conversation begin with production again. Repeating it changes nothing.

    Conversations that began with the other version keep it, unless they follow. Audited as
    `assistant.rollout_stopped`.
    """
    assistant = lock_assistant(assistant_id)
    before = _state(assistant)
    assistant.rollout_version = None
    assistant.rollout_percent = 0
    _save(assistant, before, action="assistant.rollout_stopped")
    return assistant


def _state(assistant: Assistant) -> dict[str, int | None]:
    version = assistant.rollout_version
    return {"version": version.number if version else None, "percent": assistant.rollout_percent}


def _save(assistant: Assistant, before: dict[str, int | None], *, action: str) -> None:
    after = _state(assistant)
    if before != after:
        assistant.save(update_fields=["rollout_version", "rollout_percent", "updated_at"])
        audit.record(action=action, target=assistant, before=before, after=after)
