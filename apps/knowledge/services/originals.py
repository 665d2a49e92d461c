"""What people may see of an uploaded file: a picture of one page, or its text. Both are made in the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.core.cache import cache

from apps.knowledge.ingest.blocks import Block, Unreadable
from apps.knowledge.ingest.limits import MAX_PAGES
from apps.knowledge.ingest.sandbox import extract_safely, page_picture_safely
from apps.knowledge.selectors import get_original, get_version
from parley.errors import NotFound
from parley.tenancy import tenant_key, tenant_tx

PICTURE_SECONDS = 3_600
MAX_CACHED_BYTES = 1_000_000
MAX_SHOWN_BLOCKS = 1_500
PICTURED = ("application/pdf", "image/")


def has_pictures(media_type: str) -> bool:
    """Whether pages of this kind of file can be shown as pictures."""
    return media_type.startswith(PICTURED)


def page_picture(*, document_id: UUID, version_number: int, page: int) -> bytes:
    """A JPEG of one page of a version, counted from 1. Opens its own transactions and holds none while drawing.

    Raises `NotFound` for what is deleted, no longer kept, has no pages or cannot be drawn.
    """
    with tenant_tx():
        version = get_version(document_id=document_id, number=version_number)
    if not has_pictures(version.media_type) or not 1 <= page <= MAX_PAGES:
        raise NotFound("There is no picture of this page.")
    # A version never changes, so neither does its picture.
    key = tenant_key("page-picture", str(version.id), str(page))
    picture: bytes | None = cache.get(key)
    if picture is None:
        with tenant_tx():
            _, content = get_original(document_id=document_id, number=version_number)
        try:
            picture = page_picture_safely(content, page)
        except Unreadable as problem:
            raise NotFound(problem.sentence) from problem
        if len(picture) <= MAX_CACHED_BYTES:
            cache.set(key, picture, PICTURE_SECONDS)
    return picture


def original_text(*, document_id: UUID, version_number: int) -> tuple[Sequence[Block], bool]:
    """The text of a version's file as it is read, and whether that is all of it.

    Opens its own transaction and holds none while reading. Raises `NotFound` as `get_original`, and `Unreadable`.
    """
    with tenant_tx():
        version, content = get_original(document_id=document_id, number=version_number)
    blocks = extract_safely(content, version.name).blocks
    return blocks[:MAX_SHOWN_BLOCKS], len(blocks) <= MAX_SHOWN_BLOCKS
