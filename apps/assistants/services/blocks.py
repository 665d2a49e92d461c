"""Prompt blocks: text that several assistants share. Each change is a version; nobody is moved to it unasked."""

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from apps.assistants.models import PromptBlock, PromptBlockVersion
from apps.assistants.runtime.templates import broken_places, references
from apps.assistants.selectors import list_block_versions, list_users_of_block
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound
from parley.web.actors import current_actor

LONGEST_BLOCK = 10_000
_NOTE_LENGTH = 300


@transaction.atomic
def create_block(*, name: str, text: str, slug: str = "", note: str = "") -> PromptBlock:
    """Add a block with its first version. Without a slug one is made from the name.

    Raises `Invalid` by field, `Conflict` when the slug is taken. Audited as `prompt_block.created`.
    """
    block = PromptBlock(name=name.strip(), slug=slug or slugify(name)[:60].strip("-"))
    errors = _problems_of(text, note)
    try:
        block.clean_fields(exclude=["tenant"])
    except ValidationError as error:
        errors |= error.message_dict
    if errors:
        raise Invalid("The block is not valid.", errors=errors)
    try:
        with transaction.atomic():
            block.save(force_insert=True)
    except IntegrityError as error:
        sentence = f"There is a block with the short name {block.slug!r} already. Choose another one."
        raise Conflict(sentence, errors={"slug": [sentence]}) from error
    _add_version(block, 1, text, note)
    audit.record(action="prompt_block.created", target=block, after={"slug": block.slug})
    return block


@transaction.atomic
def change_block(*, block_id: UUID, text: str, note: str = "") -> PromptBlockVersion:
    """Add a version with a new text; assistants keep theirs until somebody lets them use it.

    The same text again adds none. Raises `NotFound`, `Invalid`. Audited as `prompt_block.changed`.
    """
    block = _lock(block_id)
    if errors := _problems_of(text, note):
        raise Invalid("The block is not valid.", errors=errors)
    newest = list_block_versions(block).first()
    if newest is not None and newest.text == text.strip():
        return newest
    block.newest_number += 1
    block.save(update_fields=["newest_number", "updated_at"])
    version = _add_version(block, block.newest_number, text, note)
    audit.record(action="prompt_block.changed", target=block, after={"version": version.number})
    return version


@transaction.atomic
def delete_block(*, block_id: UUID) -> None:
    """Delete a block that no draft uses; published versions hold its text and stay as they are.

    Raises `NotFound`, `Conflict` naming who uses it. Audited as `prompt_block.deleted`.
    """
    block = _lock(block_id)
    users = [assistant.name for assistant in list_users_of_block(block)[:3]]
    if users:
        raise Conflict(f"{block.name} is used by {', '.join(users)}. Take it out of their drafts first.")
    audit.record(action="prompt_block.deleted", target=block, before={"slug": block.slug})
    block.deleted_at = timezone.now()
    block.save(update_fields=["deleted_at", "updated_at"])


def _lock(block_id: UUID) -> PromptBlock:
    block: PromptBlock | None = PromptBlock.objects.select_for_update().filter(id=block_id, deleted_at=None).first()
    if block is None:
        raise NotFound("There is no such prompt block.")
    return block


def _problems_of(text: str, note: str) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not text.strip():
        errors["text"] = ["Write the text of the block."]
    elif len(text) > LONGEST_BLOCK:
        errors["text"] = [f"Keep a block under {LONGEST_BLOCK:,} characters."]
    elif broken := broken_places(text):
        errors["text"] = broken
    elif any(one.kind == "block" for one in references(text)):
        errors["text"] = ["A block cannot contain another block. Put both into the prompt, one after the other."]
    if len(note) > _NOTE_LENGTH:
        errors["note"] = [f"Keep the note under {_NOTE_LENGTH} characters."]
    return errors


def _add_version(block: PromptBlock, number: int, text: str, note: str) -> PromptBlockVersion:
    actor = current_actor()
    version: PromptBlockVersion = PromptBlockVersion.objects.create(
        block=block,
        number=number,
        text=text.strip(),
        note=note.strip(),
        author_label=actor.label[:200] if actor else "Parley",
    )
    return version
