"""Adding, retrying and deleting documents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from apps.knowledge.enums import TYPED_IN, DocumentKind, DocumentStatus
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sniff import MEDIA_TYPES, sniff, too_large_sentence
from apps.knowledge.models import Document, DocumentVersion, KnowledgeBase, OriginalFile
from apps.knowledge.policies import NO_CONTENT, require_may_retry
from apps.knowledge.selectors import get_document
from apps.knowledge.services.describing import describe
from apps.knowledge.services.external import (
    Metadata,
    WebOrigin,
    checked_access_tags,
    checked_external_id,
    checked_metadata,
)
from apps.knowledge.services.index_rows import delete_chunks, hide_document, hide_documents
from apps.knowledge.services.indexing import request_indexing
from apps.knowledge.services.revisions import begin_revision
from apps.knowledge.usage import require_room
from apps.tenants.services.audit import record
from parley.errors import Conflict, Invalid, NotFound, TooLarge
from parley.jobs.submit import submit
from parley.web.actors import current_actor

PURGE_JOB = "knowledge.purge_document"
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
_MAX_NAME = 255
# The files of so many versions are kept; the chunks of older ones are still there to read.
KEPT_ORIGINALS = 5
_MAX_TITLE = 300


def add_document(
    *,
    knowledge_base_id: UUID,
    name: str,
    content: bytes,
    folder: str = "",
    media_type: str | None = None,
    title: str = "",
    external_id: str = "",
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
    origin: WebOrigin | None = None,
    kind: DocumentKind = DocumentKind.FILE,
) -> Document:
    """Store a file and start indexing it after commit.

    A file of a name that exists already becomes that document's next version: the old text is found until the
    new one is indexed. With an `external_id` that name decides instead: sent again it becomes the next version,
    and unchanged content only takes over `metadata` and `access_tags` (None leaves them as they are). `media_type` is
    what the sender claims and is not believed; the content decides. A `folder` is shown before the name. What was
    fetched names its `origin`, and its `name` may then hold the folders of its address.

    Safe to repeat: equal content never makes a second document. Raises `NotFound`; `TooLarge`; `Invalid` for
    files that are not read; `Conflict` when the same content is there already.
    """
    if len(content) > limits.MAX_FILE_BYTES:
        raise TooLarge(too_large_sentence(len(content)))
    name = clean_name(name, folder) if origin is None else _UNPRINTABLE.sub("", name)[:_MAX_NAME]
    try:
        media_type = MEDIA_TYPES[sniff(content, name)]
    except Unreadable as problem:
        raise Invalid(problem.sentence, errors={"file": [problem.sentence]}) from problem
    base = _lock_base(knowledge_base_id)
    digest = hashlib.sha256(content).hexdigest()
    external_id, metadata = checked_external_id(external_id), checked_metadata(metadata)
    access_tags = checked_access_tags(access_tags)
    document = _existing(base, name, digest, external_id)
    if document is not None and document.content_hash == digest and document.status != DocumentStatus.FAILED:
        _take_origin(document, origin)
        describe(document, metadata=metadata, access_tags=access_tags)
        return document
    require_room(
        documents=int(document is None),
        size=len(content) - (document.size_bytes if document is not None else 0),
    )
    if document is None:
        kind = kind if origin is None else DocumentKind.PAGE
        document = Document(knowledge_base=base, version_number=1, external_id=external_id, kind=kind)
        document.access_tags = list(origin.access_tags) if origin is not None else []
    else:
        document.version_number += 1
    document.name = _free_name(base, name, external_id) if external_id else name
    document.metadata = document.metadata if metadata is None else metadata
    document.access_tags = document.access_tags if access_tags is None else access_tags
    if origin is not None:
        document.url, document.source_id = origin.url, origin.source_id
    document.title, document.media_type = title[:_MAX_TITLE] or document.title, media_type
    document.size_bytes, document.content_hash = len(content), digest
    _store(document, content)
    return document


def add_text(
    *,
    knowledge_base_id: UUID,
    title: str,
    text: str,
    external_id: str = "",
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
) -> Document:
    """Store a text that was typed or sent, as a Markdown document called by its title. Raises as
    `add_document`.
    """
    title = " ".join(_UNPRINTABLE.sub(" ", title).split())
    errors = {
        field: [sentence]
        for field, value, sentence in (
            ("title", title, "Give the text a title."),
            ("text", text.strip(), "Write or paste the text."),
        )
        if not value
    }
    if len(title) > _MAX_TITLE:
        errors["title"] = [f"The title may have {_MAX_TITLE} characters at most."]
    if errors:
        raise Invalid("The text was not saved.", errors=errors)
    content = f'---\ntitle: "{title}"\n---\n\n{text}\n'.encode()
    name = title.replace("/", "-")[: _MAX_NAME - 3] + ".md"
    return add_document(
        knowledge_base_id=knowledge_base_id,
        name=name,
        content=content,
        title=title,
        external_id=external_id,
        metadata=metadata,
        access_tags=access_tags,
        kind=DocumentKind.TEXT,
    )


def add_unreadable(
    *, knowledge_base_id: UUID, name: str, size: int, sentence: str, folder: str = "", content: bytes | None = None
) -> Document:
    """Show a file of `size` bytes that cannot be read as a failed document with the reason.

    With its `content` it can be tried again; without, only uploaded again. Safe to repeat. Raises `NotFound`,
    and `Conflict` where that would hide a document of the same name or content.
    """
    base = _lock_base(knowledge_base_id)
    name = clean_name(name, folder)
    mark = content if content is not None else f"{name}:{size}".encode()
    digest = hashlib.sha256(mark).hexdigest()
    if content is None:
        digest = (NO_CONTENT + digest)[: len(digest)]
    alive = Document.objects.filter(knowledge_base=base, deleted_at=None)
    known: Document | None = alive.filter(Q(name=name) | Q(content_hash=digest)).first()
    if known is not None:
        if known.status == DocumentStatus.FAILED and known.content_hash == digest:
            return known
        raise Conflict(f"{sentence} “{known.name}” stays as it is.", document_id=str(known.id))
    document: Document = Document.objects.create(
        knowledge_base=base,
        name=name,
        media_type="application/octet-stream",
        size_bytes=size,
        content_hash=digest,
        status=DocumentStatus.FAILED,
        error=sentence[:500],
    )
    _store_version(document, content or b"")
    record(action="document.added", target=document, after={"name": name, "size_bytes": size, "error": sentence[:500]})
    return document


def clean_name(name: str, folder: str = "") -> str:
    """The last part of a path, printable, with its extension kept when it has to be cut; below a `folder` if
    there is room for one.
    """
    shown = _UNPRINTABLE.sub("", PurePosixPath(name.replace("\\", "/")).name).strip() or "untitled.txt"
    suffix = PurePosixPath(shown).suffix[:12]
    if len(shown) > _MAX_NAME:
        return shown[: _MAX_NAME - len(suffix)] + suffix
    above = _UNPRINTABLE.sub("", folder).strip("/ ")
    return f"{above}/{shown}"[-_MAX_NAME:].lstrip("/") if above else shown


def retry_document(*, document_id: UUID) -> Document:
    """Index a failed document once more, or read an indexed one anew. Raises `NotFound`, `Conflict`."""
    document = get_document(document_id, for_update=True)
    require_may_retry(document)
    _queue(document)
    document.save()
    request_indexing(document)
    return document


def retry_failed_documents(*, knowledge_base_id: UUID) -> int:
    """Retry every failed document of a knowledge base; returns how many."""
    failed = (
        Document.objects.filter(knowledge_base_id=knowledge_base_id, deleted_at=None, status=DocumentStatus.FAILED)
        .exclude(content_hash__startswith=NO_CONTENT)
        .values_list("id", flat=True)
    )
    ids = list(failed)
    for document_id in ids:
        retry_document(document_id=document_id)
    return len(ids)


def delete_document(*, document_id: UUID) -> None:
    """Hide a document at once, everywhere; it is erased after the days of `PARLEY_ERASE_AFTER_DAYS`.

    Until then it can be restored. Repeated: `NotFound`.
    """
    begin_revision(get_document(document_id).knowledge_base_id)
    document = get_document(document_id, for_update=True)
    hide_document(document.id)
    # The higher attempt makes whoever is indexing it stop.
    Document.objects.filter(id=document.id).update(deleted_at=timezone.now(), attempt=F("attempt") + 1, chunk_count=0)
    before = {
        "name": document.name,
        "knowledge_base": str(document.knowledge_base_id),
        "chunks": document.chunk_count,
    }
    record(action="document.deleted", target=document, before=before)
    _request_erasure(document.id, document.attempt)


def delete_documents(*, knowledge_base_id: UUID, document_ids: Sequence[UUID]) -> None:
    """Hide many documents of one base at once, everywhere; they are erased and restored as one is.

    The caller records why. Safe to repeat. Raises `NotFound`.
    """
    begin_revision(knowledge_base_id)
    alive = Document.objects.filter(knowledge_base_id=knowledge_base_id, id__in=document_ids, deleted_at=None)
    attempts = dict(alive.values_list("id", "attempt"))
    ids = list(attempts)
    hide_documents(ids)
    alive.filter(id__in=ids).update(
        deleted_at=timezone.now(),
        attempt=F("attempt") + 1,
        chunk_count=0,
        updated_at=timezone.now(),
    )
    for document_id, attempt in attempts.items():
        _request_erasure(document_id, attempt)


def _request_erasure(document_id: UUID, attempt: int) -> None:
    """Once for this deletion; a document that is restored and deleted again gets another."""
    wait = erase_after()
    submit(
        PURGE_JOB,
        subject_id=document_id,
        idempotency_key=f"purge:{document_id}:{attempt}",
        run_after=timezone.now() + wait if wait else None,
    )


def restore_document(*, document_id: UUID) -> Document:
    """Bring a deleted document back and index it anew; nothing of it was erased yet.

    Raises `NotFound` for one that is not deleted or erased already; `Conflict` when another took its place.
    """
    deleted = Document.objects.filter(id=document_id).exclude(deleted_at=None)
    base_id = deleted.values_list("knowledge_base_id", flat=True).first()
    base = None if base_id is None else _lock_base(base_id)
    document = deleted.select_for_update().first()
    if base is None or document is None:
        raise NotFound("There is no such deleted document; it may have been erased.")
    if document.kind in TYPED_IN:
        raise Conflict("This came from a question and its answer. Add or approve that entry again instead.")
    own = Q(name=document.name) | Q(content_hash=document.content_hash)
    if document.external_id:
        own |= Q(external_id=document.external_id)
    other = Document.objects.filter(own, knowledge_base=base, deleted_at=None).first()
    if other is not None:
        raise Conflict(f"“{other.name}” has its name or content now. Delete that first.", document_id=str(other.id))
    document.deleted_at = None
    _queue(document)
    document.save()
    record(action="document.restored", target=document, after={"name": document.name})
    request_indexing(document)
    return document


def erase_after() -> timedelta:
    """How long a deleted document can be restored."""
    return timedelta(days=settings.PARLEY_ERASE_AFTER_DAYS)


def purge_document(*, document_id: UUID) -> bool:
    """Erase a deleted document with every version, chunk and file. False when there is nothing to erase yet."""
    due = Document.objects.filter(id=document_id, deleted_at__lte=timezone.now() - erase_after())
    # Locked, so that nobody restores what is being erased.
    document = due.select_for_update().first()
    if document is None:
        return False
    delete_chunks(document_id)
    OriginalFile.objects.filter(document_version__document_id=document_id).delete()
    document.delete()
    return True


def _lock_base(knowledge_base_id: UUID) -> KnowledgeBase:
    """The knowledge base, locked: two uploads of one name come one after the other."""
    base: KnowledgeBase | None = (
        KnowledgeBase.objects.select_for_update(no_key=True).filter(id=knowledge_base_id).first()
    )
    if base is None:
        raise NotFound("There is no such knowledge base.")
    return base


def _existing(base: KnowledgeBase, name: str, digest: str, external_id: str) -> Document | None:
    """The document to replace, if any. Raises `Conflict` when the content is there by another name and did not
    fail.
    """
    alive = Document.objects.filter(knowledge_base=base, deleted_at=None)
    called = alive.filter(external_id=external_id) if external_id else alive.filter(name=name)
    known: Document | None = called.select_for_update().first()
    same: Document | None = alive.filter(content_hash=digest).first()
    is_itself = known is not None and same is not None and same.id == known.id
    if same is not None and not (is_itself and (external_id or same.status == DocumentStatus.FAILED)):
        raise Conflict(f"This content is already here as “{same.name}”. Nothing was added.", document_id=str(same.id))
    return known


def _free_name(base: KnowledgeBase, name: str, external_id: str) -> str:
    """The name, told apart by the sender's own when a document of another origin is called so already."""
    others = Document.objects.filter(knowledge_base=base, deleted_at=None, name=name).exclude(external_id=external_id)
    if not others.exists():
        return name
    path = PurePosixPath(name)
    return clean_name(f"{path.stem[: _MAX_NAME - 220]} ({external_id}){path.suffix}")


def _take_origin(document: Document, origin: WebOrigin | None) -> None:
    if origin is not None and (document.url, document.source_id) != (origin.url, origin.source_id):
        document.url, document.source_id = origin.url, origin.source_id
        document.save(update_fields=["url", "source", "updated_at"])


def _store(document: Document, content: bytes) -> None:
    is_new = document.version_number == 1
    _queue(document)
    document.save()
    _store_version(document, content)
    after = {"name": document.name, "size_bytes": document.size_bytes, "version": document.version_number}
    if document.access_tags:
        after["access_tags"] = document.access_tags
    record(action="document.added" if is_new else "document.replaced", target=document, after=after)
    request_indexing(document)


def _store_version(document: Document, content: bytes) -> None:
    version: DocumentVersion = DocumentVersion.objects.create(
        document=document,
        number=document.version_number,
        name=document.name,
        media_type=document.media_type,
        size_bytes=document.size_bytes,
        content_hash=document.content_hash,
        created_by_id=_acting_user_id(),
    )
    OriginalFile.objects.create(document_version=version, content=content)
    OriginalFile.objects.filter(
        document_version__document=document, document_version__number__lte=version.number - KEPT_ORIGINALS
    ).delete()


def _acting_user_id() -> UUID | None:
    actor = current_actor()
    return actor.id if actor is not None and actor.kind == "user" else None


def _queue(document: Document) -> None:
    document.status, document.progress, document.error = DocumentStatus.QUEUED, 0.0, ""
    document.attempt += 1
