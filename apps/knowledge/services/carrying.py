"""Carries what people changed in a document's chunks over to the chunks of its next reading or version.

A change belongs to the words of the file that it was made to. Where the file still says them, the change is made
again; where it does not, the file has moved on, and the change stays in the older version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import Q

from apps.knowledge.enums import ChunkOrigin
from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.models import Chunk

# Chunks whose words or whose being found people decided.
CHANGED_BY_HAND = ~Q(origin=ChunkOrigin.EXTRACTED) | Q(is_enabled=False)


@dataclass(frozen=True, slots=True)
class HandChange:
    """A chunk that was edited, added or turned off; `file_text` is what the file said in its place."""

    text: str
    headings: tuple[str, ...]
    location: str
    token_count: int
    origin: ChunkOrigin
    is_enabled: bool
    file_text: str


def changes_by_hand(*, document_id: UUID, search_index_id: UUID) -> list[HandChange]:
    """What people changed in the chunks that a document has now, in reading order. In the caller's transaction."""
    chunks = Chunk.objects.filter(
        CHANGED_BY_HAND,
        document_id=document_id,
        search_index_id=search_index_id,
        valid_to=None,
    ).order_by("ordinal", "edition")
    return [
        HandChange(
            text=chunk.text,
            headings=tuple(chunk.headings),
            location=chunk.location,
            token_count=chunk.token_count,
            origin=ChunkOrigin(chunk.origin),
            is_enabled=chunk.is_enabled,
            file_text=_file_text(chunk),
        )
        for chunk in chunks
    ]


def carry_over(drafts: Sequence[ChunkDraft], changes: Sequence[HandChange]) -> tuple[list[ChunkDraft], int]:
    """The drafts with the changes made again, and how many edits found their words no more. Pure."""
    carried = list(drafts)
    free: dict[str, list[int]] = {}
    for number, draft in enumerate(drafts):
        free.setdefault(draft.text, []).append(number)
    lost = 0
    for change in changes:
        if change.origin == ChunkOrigin.ADDED:
            carried.append(_appended(carried, change))
        elif places := free.get(change.file_text):
            number = places.pop(0)
            carried[number] = _changed(carried[number], change)
        elif change.origin == ChunkOrigin.EDITED:
            lost += 1
    return carried, lost


def lost_sentence(count: int) -> str:
    """What to tell about edits that could not be made again; empty for none."""
    if not count:
        return ""
    edits = "1 edited chunk was" if count == 1 else f"{count} edited chunks were"
    return f"{edits} not carried over, because the file says something else there now. See its older version."


def _file_text(chunk: Chunk) -> str:
    if chunk.origin == ChunkOrigin.EXTRACTED:
        text: str = chunk.text
        return text
    if chunk.file_text:
        kept: str = chunk.file_text
        return kept
    extracted = (
        Chunk.objects.filter(
            search_index_id=chunk.search_index_id,
            document_version_id=chunk.document_version_id,
            ordinal=chunk.ordinal,
            origin=ChunkOrigin.EXTRACTED,
        )
        .order_by("-edition")
        .values_list("text", flat=True)
        .first()
    )
    return extracted or ""


def _appended(drafts: Sequence[ChunkDraft], change: HandChange) -> ChunkDraft:
    last = drafts[-1]
    return ChunkDraft(
        ordinal=last.ordinal + 1,
        section=last.section + 1,
        text=change.text,
        headings=change.headings,
        location=change.location,
        token_count=change.token_count,
        origin=change.origin.value,
        is_enabled=change.is_enabled,
    )


def _changed(draft: ChunkDraft, change: HandChange) -> ChunkDraft:
    if change.origin == ChunkOrigin.EXTRACTED:
        return replace(draft, is_enabled=change.is_enabled)
    return replace(
        draft,
        text=change.text,
        headings=change.headings,
        token_count=change.token_count,
        origin=change.origin.value,
        is_enabled=change.is_enabled,
        file_text=draft.text,
    )
