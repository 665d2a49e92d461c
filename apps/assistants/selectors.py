"""Reads about assistants."""

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet

from apps.assistants.comparison import changed_fields
from apps.assistants.contracts import PublicAssistant, VersionSpec
from apps.assistants.models import Assistant, AssistantVersion
from apps.assistants.policies import require_may_answer
from parley.errors import NotFound

_NO_ASSISTANT = "There is no such assistant."


def list_assistants() -> QuerySet[Assistant]:
    """Assistants of the ambient tenant, last changed first, with all that their specs need."""
    assistants: QuerySet[Assistant] = Assistant.objects.filter(deleted_at=None)
    return (
        assistants.select_related("published_version")
        .prefetch_related("knowledge_base_links")
        .order_by("-updated_at", "-id")
    )


def get_assistant(ref: UUID | str) -> Assistant:
    """An assistant of the ambient tenant by id or slug. Raises `NotFound`."""
    assistant: Assistant | None = (
        Assistant.objects.filter(deleted_at=None, **_by_ref(ref)).select_related("published_version").first()
    )
    if assistant is None:
        raise NotFound(_NO_ASSISTANT)
    return assistant


def get_published_spec(ref: UUID | str) -> VersionSpec:
    """What visitors get, by id or slug. Raises `NotFound`, or `Conflict` when unpublished or paused."""
    assistant = get_assistant(ref)
    require_may_answer(assistant)
    return version_spec(assistant.published_version, assistant)


def get_draft_spec(ref: UUID | str) -> VersionSpec:
    """The draft as it is now, by id or slug. Raises `NotFound`."""
    return draft_spec(get_assistant(ref))


def get_version_spec(version_id: UUID) -> VersionSpec:
    """One published version, also of a deleted assistant: answers stay explainable. Raises `NotFound`."""
    version: AssistantVersion | None = (
        AssistantVersion.objects.select_related("assistant").filter(id=version_id).first()
    )
    if version is None:
        raise NotFound("There is no such version.")
    return version_spec(version, version.assistant)


def answering_spec(assistant: Assistant, version: AssistantVersion | None) -> VersionSpec:
    """What answers in a conversation with these loaded rows: its pinned version, or the draft for None.

    Raises `NotFound` when the assistant was deleted, and for a version `Conflict` when it is paused.
    """
    if assistant.deleted_at is not None:
        raise NotFound(_NO_ASSISTANT)
    if version is None:
        return draft_spec(assistant)
    require_may_answer(assistant)
    return version_spec(version, assistant)


def find_by_public_id(public_id: str) -> PublicAssistant | None:
    """Whose assistant a public page or a widget names. Needs no tenant: it tells which one to open."""
    row = Assistant.across_tenants.filter(public_id=public_id, deleted_at=None).first()
    return _public(row) if row else None


def list_versions(assistant: Assistant) -> QuerySet[AssistantVersion]:
    """Versions of an assistant, newest first."""
    versions: QuerySet[AssistantVersion] = AssistantVersion.objects.filter(assistant=assistant)
    return versions.order_by("-number")


def get_version(assistant: Assistant, number: int) -> AssistantVersion:
    """A version by its number. Raises `NotFound`."""
    version: AssistantVersion | None = list_versions(assistant).filter(number=number).first()
    if version is None:
        raise NotFound(f"{assistant.name} has no version {number}.")
    return version


def get_previous_version(assistant: Assistant) -> AssistantVersion:
    """The version before the published one. Raises `NotFound` when there is none."""
    current = assistant.published_version
    earlier: AssistantVersion | None = (
        list_versions(assistant).filter(number__lt=current.number).first() if current else None
    )
    if earlier is None:
        raise NotFound(f"{assistant.name} has no earlier version to go back to.")
    return earlier


def next_version_number(assistant: Assistant) -> int:
    """The number that the next published version gets."""
    newest = list_versions(assistant).values_list("number", flat=True).first()
    return (newest or 0) + 1


def unpublished_changes(assistant: Assistant) -> tuple[str, ...]:
    """Settings in which the draft differs from what visitors get; all of them before the first version."""
    draft = draft_spec(assistant)
    if assistant.published_version is None:
        return ("instructions",)
    return changed_fields(version_spec(assistant.published_version, assistant), draft)


def draft_spec(assistant: Assistant) -> VersionSpec:
    """The draft of a loaded assistant."""
    return VersionSpec(
        version_id=None,
        assistant_id=assistant.id,
        assistant_slug=assistant.slug,
        number=None,
        name=assistant.name,
        instructions=assistant.instructions,
        model_id=assistant.model_id,
        # Sorted here and not by the database, so that a prefetched list costs no query.
        knowledge_base_ids=tuple(
            link.knowledge_base_id for link in sorted(assistant.knowledge_base_links.all(), key=lambda link: link.id)
        ),
        temperature=assistant.temperature,
        max_output_tokens=assistant.max_output_tokens,
        refusal=assistant.refusal,
        opening_message=assistant.opening_message,
        suggested_questions=tuple(assistant.suggested_questions),
        snapshot_ids=tuple(assistant.snapshot_ids),
        access_tags=tuple(assistant.access_tags),
        metadata_filter=assistant.metadata_filter,
        rewrites_follow_ups=assistant.rewrites_follow_ups,
    )


def version_spec(version: AssistantVersion, assistant: Assistant) -> VersionSpec:
    """A loaded version of a loaded assistant."""
    identity: dict[str, Any] = {
        "version_id": str(version.id),
        "assistant_id": str(assistant.id),
        "assistant_slug": assistant.slug,
        "number": version.number,
    }
    return VersionSpec.from_dict({**version.spec, **identity})


def _by_ref(ref: UUID | str) -> dict[str, Any]:
    if isinstance(ref, UUID):
        return {"id": ref}
    try:
        return {"id": UUID(ref)}
    except ValueError:
        return {"slug": ref}


def _public(row: Assistant) -> PublicAssistant:
    return PublicAssistant(
        tenant_id=cast("UUID", row.tenant_id),
        assistant_id=row.id,
        slug=row.slug,
        name=row.name,
        is_public=row.is_public,
        is_paused=row.is_paused,
        allowed_origins=tuple(row.allowed_origins),
        is_published=row.published_version_id is not None,
    )
