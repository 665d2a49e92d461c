"""Reads about assistants."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from apps.assistants.comparison import FieldChange, changed_fields, compare
from apps.assistants.contracts import FewShot, GroundingPolicy, PinnedBlock, PublicAssistant, Variable, VersionSpec
from apps.assistants.enums import MoveState
from apps.assistants.models import (
    Assistant,
    AssistantVersion,
    FewShotExample,
    LabelMove,
    PromptBlock,
    PromptBlockVersion,
    ScheduledMove,
    VersionLabel,
)
from apps.assistants.policies import PRODUCTION, STANDING_LABELS, require_may_answer
from apps.assistants.rollout import is_chosen
from apps.gateway import selectors as gateway
from apps.knowledge import selectors as knowledge
from parley.errors import NotFound

# How a caller names the state that is being edited, where others have numbers and labels.
DRAFT = "draft"
_NO_ASSISTANT = "There is no such assistant."


def list_assistants() -> QuerySet[Assistant]:
    """Assistants of the ambient tenant, last changed first, with all that their specs need."""
    assistants: QuerySet[Assistant] = Assistant.objects.filter(deleted_at=None)
    return (
        assistants.select_related("published_version", "rollout_version")
        .prefetch_related("knowledge_base_links", "examples")
        .order_by("-updated_at", "-id")
    )


def assistant_names() -> dict[UUID, str]:
    """What each assistant of the ambient tenant is called."""
    return dict(Assistant.objects.filter(deleted_at=None).values_list("id", "name"))


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


def get_labelled_spec(ref: UUID | str, label: str) -> VersionSpec:
    """The version a label stands on, by id or slug of the assistant. Raises `NotFound`, `Conflict`."""
    assistant = get_assistant(ref)
    return version_spec(labelled_version(assistant, label), assistant)


def labelled_version(assistant: Assistant, label: str) -> AssistantVersion:
    """Where a label of an assistant that may answer stands.

    Raises `NotFound` when it stands nowhere, `Conflict` when the assistant is unpublished or paused.
    """
    if label == PRODUCTION:
        require_may_answer(assistant)
        return cast("AssistantVersion", assistant.published_version)
    row = find_label(assistant, label)
    if row is None:
        raise NotFound(f"No version of {assistant.name} has the label {label!r}.")
    return cast("AssistantVersion", row.version)


def beginning_version(assistant: Assistant, conversation_id: UUID, label: str = PRODUCTION) -> AssistantVersion:
    """The version that a conversation with this id begins with: the label's, or the one that is rolled out.

    Raises as `labelled_version` does.
    """
    version = labelled_version(assistant, label)
    other = assistant.rollout_version_id if label == PRODUCTION else None
    if other is not None and is_chosen(conversation_id, other, percent=assistant.rollout_percent):
        return cast("AssistantVersion", assistant.rollout_version)
    return version


def answering_spec(
    assistant: Assistant, version: AssistantVersion | None, *, conversation_id: UUID, label: str
) -> VersionSpec:
    """What answers the next message of a conversation with these loaded rows; None stands for the draft.

    A conversation keeps its version, or moves on with its label where the assistant says so. Raises `NotFound`
    when the assistant was deleted, and for a version `Conflict` when it is paused.
    """
    if assistant.deleted_at is not None:
        raise NotFound(_NO_ASSISTANT)
    if version is None:
        return draft_spec(assistant)
    require_may_answer(assistant)
    if assistant.follows_newest and (label == PRODUCTION or find_label(assistant, label) is not None):
        version = beginning_version(assistant, conversation_id, label)
    return version_spec(version, assistant)


def numbered_spec(assistant: Assistant, number: int) -> VersionSpec:
    """A version of a loaded assistant, for a run that began with it. Raises `NotFound`, `Conflict` when paused."""
    if assistant.deleted_at is not None:
        raise NotFound(_NO_ASSISTANT)
    require_may_answer(assistant)
    return version_spec(get_version(assistant, number), assistant)


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


def find_version_like_draft(assistant: Assistant) -> AssistantVersion | None:
    """The live or the newest version, when it holds exactly what the draft does."""
    draft = draft_spec(assistant)
    newest = list_versions(assistant).first()
    for version in (assistant.published_version, newest):
        if version is not None and not changed_fields(version_spec(version, assistant), draft):
            return version
    return None


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


class LabelState(NamedTuple):
    """A label of an assistant; `version` is None where it stands nowhere."""

    name: str
    version: AssistantVersion | None
    is_protected: bool


def list_labels(assistant: Assistant) -> list[LabelState]:
    """`production` and `staging` first, then the assistant's own by name. One query."""
    rows = {row.name: row.version for row in VersionLabel.objects.filter(assistant=assistant).select_related("version")}
    rows[PRODUCTION] = assistant.published_version
    names = [*STANDING_LABELS, *sorted(set(rows) - set(STANDING_LABELS))]
    return [LabelState(name, rows.get(name), name in assistant.protected_labels) for name in names]


def find_label(assistant: Assistant, name: str) -> VersionLabel | None:
    """A label other than `production`, with its version; None when it stands nowhere."""
    row: VersionLabel | None = (
        VersionLabel.objects.filter(assistant=assistant, name=name).select_related("version").first()
    )
    return row


def list_label_moves(assistant: Assistant) -> QuerySet[LabelMove]:
    """How the labels of an assistant moved, newest first."""
    moves: QuerySet[LabelMove] = LabelMove.objects.filter(assistant=assistant)
    return moves.order_by("-id")


def list_scheduled_moves(assistant: Assistant) -> QuerySet[ScheduledMove]:
    """Planned moves that wait, soonest first."""
    moves: QuerySet[ScheduledMove] = ScheduledMove.objects.filter(assistant=assistant, state=MoveState.WAITING)
    return moves.select_related("version").order_by("due_at", "id")


def get_scheduled_move(move_id: UUID) -> ScheduledMove:
    """A planned move with its assistant and version. Raises `NotFound`."""
    move: ScheduledMove | None = ScheduledMove.objects.select_related("assistant", "version").filter(id=move_id).first()
    if move is None:
        raise NotFound("There is no such planned move.")
    return move


def list_due_moves_across_tenants() -> list[tuple[UUID, UUID]]:
    """(tenant id, move id) of every planned move whose time has come, for the sweeper."""
    due = ScheduledMove.across_tenants.filter(state=MoveState.WAITING, due_at__lte=timezone.now())
    return list(due.order_by("due_at").values_list("tenant_id", "id"))


def named_spec(assistant: Assistant, name: str) -> VersionSpec:
    """The state of a loaded assistant by "draft", a version's number or a label. Raises `NotFound`."""
    if name == DRAFT:
        return draft_spec(assistant)
    if name.isdecimal():
        return version_spec(get_version(assistant, int(name)), assistant)
    for label in list_labels(assistant):
        if label.name == name and label.version is not None:
            return version_spec(label.version, assistant)
    raise NotFound(f"{assistant.name} has no version {name!r}. Name a number, a label or “draft”.")


def compare_states(assistant: Assistant, first: str, second: str) -> list[FieldChange]:
    """What changed from one state to another, each named as for `named_spec`. Raises `NotFound`."""
    return compare(named_spec(assistant, first), named_spec(assistant, second), names=names_in_specs())


def names_in_specs() -> dict[UUID, str]:
    """Words for the ids that specs hold: models, knowledge bases and snapshots of the tenant."""
    bases = knowledge.list_knowledge_bases().values_list("id", "name")
    models, routes = gateway.list_chat_choices(), gateway.list_route_choices()
    return {**dict(models), **dict(routes), **dict(bases), **dict(knowledge.list_snapshot_choices())}


def list_blocks() -> QuerySet[PromptBlock]:
    """Prompt blocks of the ambient tenant by name."""
    blocks: QuerySet[PromptBlock] = PromptBlock.objects.filter(deleted_at=None)
    return blocks.order_by("name", "id")


def get_block(ref: UUID | str) -> PromptBlock:
    """A prompt block by id or slug. Raises `NotFound`."""
    block: PromptBlock | None = list_blocks().filter(**_by_ref(ref)).first()
    if block is None:
        raise NotFound("There is no such prompt block.")
    return block


def list_block_versions(block: PromptBlock) -> QuerySet[PromptBlockVersion]:
    """Versions of a block, newest first."""
    versions: QuerySet[PromptBlockVersion] = PromptBlockVersion.objects.filter(block=block)
    return versions.order_by("-number")


def newest_blocks(slugs: Iterable[str]) -> dict[str, PinnedBlock]:
    """The newest version of each of these blocks that exists, by slug. One query, none for no slugs."""
    wanted = list(slugs)
    if not wanted:
        return {}
    rows = PromptBlockVersion.objects.filter(block__slug__in=wanted, block__deleted_at=None).select_related("block")
    rows = rows.order_by("block_id", "-number").distinct("block_id")
    return {row.block.slug: PinnedBlock(row.block.slug, row.block.name, row.number, row.text) for row in rows}


def outdated_blocks(assistant: Assistant) -> list[tuple[PinnedBlock, int]]:
    """Blocks of which the draft uses an older version, each with the newest number."""
    pinned = draft_spec(assistant).blocks
    newest = newest_blocks(block.slug for block in pinned)
    return [
        (block, newest[block.slug].number)
        for block in pinned
        if block.slug in newest and newest[block.slug].number > block.number
    ]


def list_users_of_block(block: PromptBlock) -> QuerySet[Assistant]:
    """Assistants whose drafts use a block, by name."""
    users: QuerySet[Assistant] = Assistant.objects.filter(deleted_at=None, blocks__contains=[{"slug": block.slug}])
    return users.order_by("name", "id")


def draft_spec(assistant: Assistant) -> VersionSpec:
    """The draft of a loaded assistant."""
    return VersionSpec(
        version_id=None,
        assistant_id=assistant.id,
        assistant_slug=assistant.slug,
        number=None,
        name=assistant.name,
        instructions=assistant.instructions,
        role=assistant.role,
        tone=assistant.tone,
        rules=tuple(assistant.rules),
        variables=tuple(Variable.from_dict(one) for one in assistant.variables),
        blocks=tuple(PinnedBlock(**one) for one in assistant.blocks),
        examples=_enabled_examples(assistant) if assistant.example_count else (),
        example_tokens=assistant.example_tokens,
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
        route_id=assistant.route_id,
        grounding=cast("GroundingPolicy", assistant.grounding),
    )


def list_examples(assistant: Assistant) -> QuerySet[FewShotExample]:
    """Few-shot examples of a draft, oldest first."""
    examples: QuerySet[FewShotExample] = FewShotExample.objects.filter(assistant=assistant)
    return examples.order_by("id")


def get_example(example_id: UUID) -> FewShotExample:
    """A few-shot example. Raises `NotFound`."""
    example: FewShotExample | None = FewShotExample.objects.filter(id=example_id).first()
    if example is None:
        raise NotFound("There is no such example.")
    return example


def _enabled_examples(assistant: Assistant) -> tuple[FewShot, ...]:
    # Sorted and filtered here, so that a prefetched list costs no query.
    rows = sorted((row for row in assistant.examples.all() if row.is_enabled), key=lambda row: row.id)
    return tuple(FewShot(row.question, row.answer, tuple(row.tags)) for row in rows)


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
