"""Metadata and access tags of documents: they count from the next search on, and nothing is indexed for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from apps.knowledge.models import Document, Entry
from apps.knowledge.selectors import get_document, get_knowledge_base
from apps.knowledge.services.external import MAX_TAGS, Metadata, checked_access_tags, checked_metadata
from apps.tenants.services.audit import record
from parley.errors import Invalid

MAX_AT_ONCE = 200
TagChange = Callable[[set[str]], set[str]]


def describe_document(
    *, document_id: UUID, metadata: Metadata | None = None, access_tags: Sequence[str] | None = None
) -> Document:
    """Replace the metadata or the access tags of a document; None leaves them. Safe to repeat.

    Raises `NotFound`, `Invalid`.
    """
    metadata, access_tags = checked_metadata(metadata), checked_access_tags(access_tags)
    document = get_document(document_id, for_update=True)
    describe(document, metadata=metadata, access_tags=access_tags)
    return document


def tag_documents(
    *, knowledge_base_id: UUID, document_ids: Sequence[UUID], add: Sequence[str] = (), remove: Sequence[str] = ()
) -> int:
    """Give documents of one base access tags, or take some from them; returns how many changed. Safe to repeat.

    Documents that are gone meanwhile are left out. Raises `NotFound`; `Invalid`, and then nothing is changed.
    """
    base = get_knowledge_base(knowledge_base_id)
    if len(document_ids) > MAX_AT_ONCE:
        raise Invalid(f"Choose {MAX_AT_ONCE} documents at most.")
    given, taken = set(checked_access_tags(add) or ()), set(checked_access_tags(remove) or ())
    if not given and not taken:
        sentence = "Write at least one access tag, such as hr."
        raise Invalid(sentence, errors={"access_tags": [sentence]})
    chosen = Document.objects.filter(knowledge_base_id=base.id, id__in=document_ids, deleted_at=None)
    return retag(chosen.select_for_update().order_by("id"), lambda tags: (tags - taken) | given)


def retag(documents: Any, change: TagChange) -> int:
    """Change the tags of locked documents one by one; returns how many changed. Raises `Invalid` for too many tags."""
    changed = 0
    for document in documents:
        tags = sorted(change(set(document.access_tags)))
        if len(tags) > MAX_TAGS:
            sentence = f"“{document.name}” would have {len(tags)} access tags. There may be {MAX_TAGS} at most."
            raise Invalid(sentence, errors={"access_tags": [sentence]})
        changed += describe(document, access_tags=tags)
    return changed


def describe(document: Document, *, metadata: Metadata | None = None, access_tags: list[str] | None = None) -> bool:
    """Take over checked metadata and tags, without indexing anything; whether something changed.

    What an entry is found by is described as the entry is.
    """
    known: dict[str, Any] = {"metadata": document.metadata, "access_tags": document.access_tags}
    asked: dict[str, Any] = {"metadata": metadata, "access_tags": access_tags}
    after = {name: value for name, value in asked.items() if value is not None and value != known[name]}
    if not after:
        return False
    for name, value in after.items():
        setattr(document, name, value)
    document.save(update_fields=[*after, "updated_at"])
    Entry.objects.filter(document=document).update(**after)
    record(
        action="document.described", target=document, before={name: known[name] for name in after}, after=dict(after)
    )
    return True
