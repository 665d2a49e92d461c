"""Writes to an assistant and its draft."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.assistants.contracts import Variable
from apps.assistants.models import Assistant, AssistantKnowledgeBase
from apps.assistants.selectors import draft_spec
from apps.assistants.services.origins import clean_origins
from apps.assistants.services.prompts import PROMPT_FIELDS, pin_blocks, problems_of_prompt, read_variables
from apps.assistants.services.rows import lock_assistant
from apps.gateway import selectors as gateway
from apps.knowledge import selectors as knowledge
from apps.knowledge.services.audiences import checked_audience
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid

_SLUG_LENGTH = 60
_SLUG_ATTEMPTS = 100
_MOST_QUESTIONS = 6
_LONGEST_INSTRUCTIONS = 20_000
_NOT_VALID = "Some settings of the assistant are not valid."


class DraftFields(TypedDict, total=False):
    """The settings that make up a draft; what is left out stays as it is."""

    name: str
    instructions: str
    role: str
    tone: str
    rules: Sequence[str]
    variables: Sequence[Variable | Mapping[str, Any]]
    example_tokens: int
    model_id: UUID | None
    knowledge_base_ids: Sequence[UUID]
    temperature: float | None
    max_output_tokens: int
    refusal: str
    opening_message: str
    suggested_questions: Sequence[str]
    snapshot_ids: Sequence[UUID]
    access_tags: Sequence[str]
    metadata_filter: Mapping[str, Any] | None
    rewrites_follow_ups: bool
    route_id: UUID | None
    grounding: str


@transaction.atomic
def create_assistant(*, slug: str | None = None, **fields: Unpack[DraftFields]) -> Assistant:
    """Add an assistant with a draft and no published version. Name and instructions suffice.

    Without a `slug` one is made from the name. Raises `Invalid` by field, `Conflict` when the slug is taken.
    Audited as `assistant.created`.
    """
    assistant = Assistant()
    bases = _apply(assistant, fields)
    if slug:
        assistant.slug = slug
        _validate(assistant)
        _insert(assistant, f"The slug {slug!r} is taken. Choose another one.")
    else:
        assistant.slug = _free_slug(assistant.name)
        _validate(assistant)
        _insert(assistant, "Somebody just made an assistant with this name. Try again.")
    _link(assistant, bases or ())
    audit.record(action="assistant.created", target=assistant, after={"slug": assistant.slug})
    return assistant


@transaction.atomic
def update_draft(*, assistant_id: UUID, revision: int | None = None, **changes: Unpack[DraftFields]) -> Assistant:
    """Change the draft; visitors notice nothing until it is published.

    `revision` is the draft's number that the caller has seen: when somebody else saved in between this raises
    `Conflict` instead of overwriting their work. Raises `NotFound`, `Invalid` by field. Audited as
    `assistant.draft_updated` with the settings that changed. Repeating the same change changes nothing.
    """
    assistant = lock_assistant(assistant_id)
    if revision is not None and revision != assistant.draft_revision:
        raise Conflict(
            "Somebody else saved this draft after you opened it. Copy your text, reload the page and save again."
        )
    before = draft_spec(assistant).as_dict()
    bases = _apply(assistant, changes)
    _validate(
        assistant,
        is_new_model="model_id" in changes,
        is_new_route="route_id" in changes,
        is_new_prompt=not changes.keys().isdisjoint((*PROMPT_FIELDS, "variables")),
    )
    if bases is not None:
        _link(assistant, bases)
    after = draft_spec(assistant).as_dict()
    changed = [name for name in after if before[name] != after[name]]
    if changed:
        assistant.draft_revision += 1
        assistant.save()
        audit.record(
            action="assistant.draft_updated",
            target=assistant,
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )
    return assistant


@transaction.atomic
def use_newest_blocks(*, assistant_id: UUID, slugs: Sequence[str]) -> Assistant:
    """Let the draft use the newest version of these blocks. Raises `NotFound`, `Invalid` when one does not fit.

    Audited as `assistant.draft_updated`. Repeating it changes nothing.
    """
    assistant = lock_assistant(assistant_id)
    before = assistant.blocks
    pin_blocks(assistant, renew=slugs)
    _validate(assistant, is_new_model=False, is_new_route=False)
    if before != assistant.blocks:
        assistant.draft_revision += 1
        assistant.save()
        audit.record(
            action="assistant.draft_updated",
            target=assistant,
            before={"blocks": {block["slug"]: block["number"] for block in before}},
            after={"blocks": {block["slug"]: block["number"] for block in assistant.blocks}},
        )
    return assistant


class SharingFields(TypedDict, total=False):
    """Where and how visitors meet the assistant. Takes effect at once: no version is needed."""

    is_public: bool
    is_paused: bool
    allowed_origins: Sequence[str]
    follows_newest: bool


def update_sharing(*, assistant_id: UUID, **changes: Unpack[SharingFields]) -> Assistant:
    """Switch the public page, the pause, whether conversations follow, or the widget's websites, at once.

    Origins are cleaned to `scheme://host[:port]`. Raises `NotFound`, `Invalid` by field. Audited as
    `assistant.sharing_updated`.
    """
    assistant = lock_assistant(assistant_id)
    values: dict[str, Any] = dict(changes)
    if "allowed_origins" in values:
        values["allowed_origins"] = clean_origins(values["allowed_origins"])
    changed = {name: value for name, value in values.items() if getattr(assistant, name) != value}
    if changed:
        before = {name: getattr(assistant, name) for name in changed}
        for name, value in changed.items():
            setattr(assistant, name, value)
        assistant.save(update_fields=[*changed, "updated_at"])
        audit.record(action="assistant.sharing_updated", target=assistant, before=before, after=changed)
    return assistant


def delete_assistant(*, assistant_id: UUID) -> None:
    """Take an assistant away from everybody at once and free its slug.

    Versions stay, because conversations and their citations refer to them. Raises `NotFound`, also when
    repeated. Audited as `assistant.deleted`.
    """
    assistant = lock_assistant(assistant_id)
    assistant.deleted_at = timezone.now()
    assistant.is_public = False
    assistant.allowed_origins = []
    assistant.save(update_fields=["deleted_at", "is_public", "allowed_origins", "updated_at"])
    audit.record(action="assistant.deleted", target=assistant, before={"slug": assistant.slug})


def _apply(assistant: Assistant, fields: DraftFields) -> list[UUID] | None:
    """Put the values on the row; returns the knowledge bases to link, None when they stay."""
    values = _cleaned(fields)
    bases = values.pop("knowledge_base_ids", None)
    if "access_tags" in values or "metadata_filter" in values:
        asked = (values.get(name, getattr(assistant, name)) for name in ("access_tags", "metadata_filter"))
        audience = checked_audience(*asked, filter_field="metadata_filter")
        values |= {"access_tags": list(audience.access_tags), "metadata_filter": audience.metadata_filter}
    for name, value in values.items():
        setattr(assistant, name, value)
    if not values.keys().isdisjoint(PROMPT_FIELDS):
        pin_blocks(assistant)
    return None if bases is None else list(dict.fromkeys(bases))


def _cleaned(fields: DraftFields) -> dict[str, Any]:
    """The values without the space around words; variables as the row holds them. Raises `Invalid`."""
    values: dict[str, Any] = dict(fields)
    for name in ("name", "instructions", "role", "tone", "refusal", "opening_message"):
        if isinstance(values.get(name), str):
            values[name] = values[name].strip()
    for name in ("suggested_questions", "rules"):
        if name in values:
            values[name] = [" ".join(line.split()) for line in values[name] if line.strip()]
    if "variables" in values:
        values["variables"] = _declared(values["variables"])
    if "snapshot_ids" in values:
        values["snapshot_ids"] = list(dict.fromkeys(values["snapshot_ids"]))
    if values.get("refusal") == "":
        values["refusal"] = Assistant._meta.get_field("refusal").get_default()
    # One of the two answers: naming one lets go of the other.
    if values.get("route_id"):
        values["model_id"] = None
    elif values.get("model_id"):
        values["route_id"] = None
    return values


def _declared(rows: Sequence[Variable | Mapping[str, Any]]) -> list[dict[str, Any]]:
    variables, problems = read_variables(rows)
    if problems:
        raise Invalid(_NOT_VALID, errors={"variables": problems})
    return [variable.as_dict() for variable in variables]


def _validate(
    assistant: Assistant, *, is_new_model: bool = True, is_new_route: bool = True, is_new_prompt: bool = True
) -> None:
    errors: dict[str, list[str]] = {}
    try:
        assistant.clean_fields(exclude=["tenant", "model", "route", "published_version", "rollout_version"])
    except ValidationError as error:
        errors = error.message_dict
    if len(assistant.instructions) > _LONGEST_INSTRUCTIONS:
        errors["instructions"] = [f"Keep the instructions under {_LONGEST_INSTRUCTIONS:,} characters."]
    if len(assistant.suggested_questions) > _MOST_QUESTIONS:
        errors["suggested_questions"] = [f"Offer at most {_MOST_QUESTIONS} questions."]
    # A prompt from before there were templates must not stop people from saving other settings.
    if is_new_prompt:
        errors = problems_of_prompt(assistant) | errors
    # A model that was switched off later must not stop people from saving other settings.
    if is_new_model and assistant.model_id and not _is_chat_model(assistant.model_id):
        errors["model"] = ["There is no such chat model. Choose one from the list of models."]
    if is_new_route and assistant.route_id and not _is_route(assistant.route_id):
        errors["route"] = ["There is no such route. Choose one from the list of routes."]
    if problem := _problem_of_snapshots(assistant.snapshot_ids):
        errors["snapshot_ids"] = [problem]
    if errors:
        raise Invalid(_NOT_VALID, errors=errors)


def _problem_of_snapshots(snapshot_ids: Sequence[UUID]) -> str:
    """One snapshot a base, and only those that exist. One that was deleted since stops nobody from saving."""
    if not snapshot_ids:
        return ""
    bases = [base for _, base in knowledge.list_snapshot_bases(snapshot_ids)]
    return "Pin one snapshot of a knowledge base, not several." if len(bases) != len(set(bases)) else ""


def _is_chat_model(model_id: UUID) -> bool:
    return any(model_id == known for known, _ in gateway.list_chat_choices())


def _is_route(route_id: UUID) -> bool:
    return any(route_id == known for known, _ in gateway.list_route_choices())


def _link(assistant: Assistant, knowledge_base_ids: Sequence[UUID]) -> None:
    known = set(knowledge.list_knowledge_bases().filter(id__in=knowledge_base_ids).values_list("id", flat=True))
    if unknown := [str(base) for base in knowledge_base_ids if base not in known]:
        sentence = f"There is no knowledge base {unknown[0]}."
        raise Invalid(_NOT_VALID, errors={"knowledge_base_ids": [sentence]})
    links = AssistantKnowledgeBase.objects.filter(assistant=assistant)
    links.exclude(knowledge_base_id__in=knowledge_base_ids).delete()
    linked = set(links.values_list("knowledge_base_id", flat=True))
    for base in knowledge_base_ids:
        if base not in linked:
            AssistantKnowledgeBase.objects.create(assistant=assistant, knowledge_base_id=base)


def _free_slug(name: str) -> str:
    stem = slugify(name)[: _SLUG_LENGTH - 4].strip("-") or "assistant"
    taken = set(Assistant.objects.filter(deleted_at=None, slug__startswith=stem).values_list("slug", flat=True))
    candidates = [stem, *(f"{stem}-{number}" for number in range(2, _SLUG_ATTEMPTS))]
    free = next((slug for slug in candidates if slug not in taken), None)
    if free is None:
        raise Conflict("There are too many assistants with this name. Choose another name.")
    return free


def _insert(assistant: Assistant, taken: str) -> None:
    try:
        with transaction.atomic():
            assistant.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict(taken, errors={"slug": [taken]}) from error
