"""Saving, publishing and going back: versions are added, never changed; a pointer says which one visitors get."""

from uuid import UUID

from django.db import transaction

from apps.assistants.models import Assistant, AssistantVersion
from apps.assistants.selectors import draft_spec, find_version_like_draft, get_version, next_version_number
from apps.assistants.services.labels import point_production
from apps.assistants.services.rows import lock_assistant
from apps.tenants.services import audit
from parley.errors import Invalid
from parley.web.actors import current_actor

# Identity is not part of the snapshot: a version is the same text under whatever slug.
_IDENTITY = ("version_id", "assistant_id", "assistant_slug", "number")
_NOTE_LENGTH = 300


@transaction.atomic
def save_version(*, assistant_id: UUID, note: str = "") -> AssistantVersion:
    """Freeze the draft as the next version without showing it to anybody.

    When the newest version is exactly this draft nothing is added and that version is returned, so a repeated call
    is harmless. Raises `NotFound`, `Invalid`. Audited as `assistant.version_saved`.
    """
    return _frozen_draft(lock_assistant(assistant_id), note)


@transaction.atomic
def publish(*, assistant_id: UUID, note: str = "") -> AssistantVersion:
    """Freeze the draft as the next version and let `production` stand on it.

    A draft that live or newest version already hold adds none: a repeated call is harmless, and a version that was
    only saved is the one that goes live. Raises `NotFound`, `Invalid`. Audited as `assistant.published`.
    """
    assistant = lock_assistant(assistant_id)
    version = _frozen_draft(assistant, note, is_audited=False)
    if version.id != assistant.published_version_id:
        point_production(assistant, version, action="assistant.published")
    return version


@transaction.atomic
def rollback(*, assistant_id: UUID, number: int) -> AssistantVersion:
    """Let visitors have an earlier version again; the draft and all versions stay as they are.

    It ends a rollout under way: after a rollback nobody meets anything else. Raises `NotFound`. Repeating it
    changes nothing. Audited as `assistant.rolled_back`.
    """
    assistant = lock_assistant(assistant_id)
    version = get_version(assistant, number)
    point_production(assistant, version, action="assistant.rolled_back")
    return version


def _frozen_draft(assistant: Assistant, note: str, *, is_audited: bool = True) -> AssistantVersion:
    note = note.strip()
    if len(note) > _NOTE_LENGTH:
        raise Invalid("The note is too long.", errors={"note": [f"Keep it under {_NOTE_LENGTH} characters."]})
    same = find_version_like_draft(assistant)
    if same is not None:
        return same
    actor = current_actor()
    version: AssistantVersion = AssistantVersion.objects.create(
        assistant=assistant,
        number=next_version_number(assistant),
        author_id=actor.id if actor else None,
        author_label=actor.label[:200] if actor else "Parley",
        note=note,
        spec={name: value for name, value in draft_spec(assistant).as_dict().items() if name not in _IDENTITY},
    )
    if is_audited:
        audit.record(action="assistant.version_saved", target=assistant, after={"version": version.number})
    return version
