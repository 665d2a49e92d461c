"""Many texts at once from another system: each by its own name there, each with its own outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from apps.knowledge.models import Document
from apps.knowledge.selectors import get_knowledge_base, list_documents
from apps.knowledge.services.documents import add_text, delete_document
from parley.errors import Invalid, Problem
from parley.tenancy import tenant_tx

MAX_ITEMS = 500
_COMPARED = ("version_number", "metadata", "access_tags")

Outcome = Literal["created", "updated", "unchanged", "deleted", "missing", "refused"]


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item. `error` is a sentence when it was refused."""

    external_id: str
    outcome: Outcome
    document_id: UUID | None = None
    error: str = ""


def change_documents(
    *, knowledge_base_id: UUID, upsert: Sequence[Mapping[str, Any]] = (), delete: Sequence[str] = ()
) -> list[ItemResult]:
    """Add or replace texts (`external_id`, `title`, `text`, `metadata`, `access_tags`), then delete others by id.

    Results come in the order asked. An item that is refused leaves nothing behind and stops no other. Safe to
    repeat: the second time everything is unchanged or missing. Raises `NotFound` for the base, `Invalid` for too
    many items or an external id that is named twice.
    """
    base = get_knowledge_base(knowledge_base_id)
    names = [*(str(item["external_id"]) for item in upsert), *delete]
    if len(names) > MAX_ITEMS:
        raise Invalid(f"One request may change {MAX_ITEMS} documents. Send the others in another.")
    if len(set(names)) != len(names):
        raise Invalid("An external id is named twice. Send each document once.")
    return [
        *(_upsert(base.id, item) for item in upsert),
        *(delete_by_external_id(knowledge_base_id=base.id, external_id=name) for name in delete),
    ]


def delete_by_external_id(*, knowledge_base_id: UUID, external_id: str) -> ItemResult:
    """Delete the document of this name; `missing` when there is none."""
    found = _find(knowledge_base_id, external_id)
    if found is None:
        return ItemResult(external_id, "missing")
    delete_document(document_id=found.id)
    return ItemResult(external_id, "deleted", found.id)


def _upsert(knowledge_base_id: UUID, item: Mapping[str, Any]) -> ItemResult:
    external_id = str(item["external_id"])
    known = _find(knowledge_base_id, external_id)
    try:
        # Inside the caller's transaction: a refused item leaves no trace of itself.
        with tenant_tx():
            document = add_text(
                knowledge_base_id=knowledge_base_id,
                title=item["title"],
                text=item["text"],
                external_id=external_id,
                metadata=item.get("metadata"),
                access_tags=item.get("access_tags"),
            )
    except Problem as problem:
        sentences = [sentence for found in getattr(problem, "errors", {}).values() for sentence in found]
        return ItemResult(external_id, "refused", error=" ".join(sentences) or problem.detail)
    if known is None:
        return ItemResult(external_id, "created", document.id)
    is_same = all(getattr(known, name) == getattr(document, name) for name in _COMPARED)
    return ItemResult(external_id, "unchanged" if is_same else "updated", document.id)


def _find(knowledge_base_id: UUID, external_id: str) -> Document | None:
    if not external_id:
        return None
    return list_documents(knowledge_base_id=knowledge_base_id, external_id=external_id).first()
