"""Publishing and going back: versions are added, never changed; a pointer says which one visitors get."""

from uuid import UUID

from apps.assistants.models import Assistant, AssistantVersion
from apps.assistants.selectors import draft_spec, get_version, next_version_number, unpublished_changes
from apps.tenants.services import audit
from parley.errors import Invalid, NotFound
from parley.web.actors import current_actor

# Identity is not part of the snapshot: a version is the same text under whatever slug.
_IDENTITY = ("version_id", "assistant_id", "assistant_slug", "number")
_NOTE_LENGTH = 300


def publish(*, assistant_id: UUID, note: str = "") -> AssistantVersion:
    """Freeze the draft as the next version and let visitors have it from their next message on.

    When visitors already have exactly this draft nothing is added and that version is returned, so a repeated
    call is harmless. Raises `NotFound`, `Invalid`. Audited as `assistant.published`.
    """
    note = note.strip()
    if len(note) > _NOTE_LENGTH:
        raise Invalid("The note is too long.", errors={"note": [f"Keep it under {_NOTE_LENGTH} characters."]})
    assistant = _lock(assistant_id)
    current: AssistantVersion | None = assistant.published_version
    if current is not None and not unpublished_changes(assistant):
        return current
    actor = current_actor()
    version: AssistantVersion = AssistantVersion.objects.create(
        assistant=assistant,
        number=next_version_number(assistant),
        author_id=actor.id if actor else None,
        author_label=actor.label[:200] if actor else "Parley",
        note=note,
        spec={name: value for name, value in draft_spec(assistant).as_dict().items() if name not in _IDENTITY},
    )
    _point(assistant, version, action="assistant.published")
    return version


def rollback(*, assistant_id: UUID, number: int) -> AssistantVersion:
    """Let visitors have an earlier version again; the draft and all versions stay as they are.

    Raises `NotFound`. Repeating it changes nothing. Audited as `assistant.rolled_back`.
    """
    assistant = _lock(assistant_id)
    version = get_version(assistant, number)
    if assistant.published_version_id != version.id:
        _point(assistant, version, action="assistant.rolled_back")
    return version


def _lock(assistant_id: UUID) -> Assistant:
    assistant: Assistant | None = (
        Assistant.objects.select_for_update(of=("self",))
        .select_related("published_version")
        .filter(id=assistant_id, deleted_at=None)
        .first()
    )
    if assistant is None:
        raise NotFound("There is no such assistant.")
    return assistant


def _point(assistant: Assistant, version: AssistantVersion, *, action: str) -> None:
    before = assistant.published_version.number if assistant.published_version else None
    assistant.published_version = version
    assistant.save(update_fields=["published_version", "updated_at"])
    audit.record(action=action, target=assistant, before={"version": before}, after={"version": version.number})
