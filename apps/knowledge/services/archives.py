"""Adding every file of a ZIP archive as a document of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from apps.knowledge.ingest import bundle, limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sniff import too_large_sentence
from apps.knowledge.models import Document
from apps.knowledge.services import documents
from apps.knowledge.services.external import Metadata
from parley.errors import Conflict, Invalid, TooLarge


@dataclass(slots=True)
class AddedArchive:
    """What became of the files of an archive: documents (those that cannot be read failed, each with its
    sentence), and paths that were left out with the reason.
    """

    documents: list[Document] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Description:
    metadata: Metadata | None
    access_tags: Sequence[str] | None


def add_archive(
    *,
    knowledge_base_id: UUID,
    content: bytes,
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
) -> AddedArchive:
    """Store the files of a ZIP archive, named by their folders and all described alike; indexed after commit.

    A file that cannot be read becomes a failed document, so that it is not forgotten. What is in the base
    already is left out, so an archive may be sent again. Raises `NotFound`; `TooLarge`; `Invalid` for an
    archive that is damaged or unpacks to more than the caps allow.
    """
    if len(content) > limits.MAX_FILE_BYTES:
        raise TooLarge(too_large_sentence(len(content)))
    added = AddedArchive()
    described = _Description(metadata, access_tags)
    try:
        for item in bundle.unpack(content):
            _add(added, knowledge_base_id, item, described)
    except Unreadable as problem:
        raise Invalid(problem.sentence, errors={"file": [problem.sentence]}) from problem
    return added


def _add(
    added: AddedArchive, knowledge_base_id: UUID, item: bundle.Entry | bundle.Refused, described: _Description
) -> None:
    folder, _, name = item.path.rpartition("/")
    try:
        if isinstance(item, bundle.Refused):
            document = documents.add_unreadable(
                knowledge_base_id=knowledge_base_id, folder=folder, name=name, size=item.size, sentence=item.sentence
            )
        else:
            document = _add_entry(knowledge_base_id, folder, name, item.content, described)
    except Conflict as problem:
        added.skipped.append((item.path, problem.detail))
    else:
        added.documents.append(document)


def _add_entry(knowledge_base_id: UUID, folder: str, name: str, content: bytes, described: _Description) -> Document:
    try:
        return documents.add_document(
            knowledge_base_id=knowledge_base_id,
            folder=folder,
            name=name,
            content=content,
            metadata=described.metadata,
            access_tags=described.access_tags,
        )
    except Invalid as problem:
        if "file" not in problem.errors:
            raise
        return documents.add_unreadable(
            knowledge_base_id=knowledge_base_id,
            folder=folder,
            name=name,
            size=len(content),
            sentence=problem.detail,
            # Files of no bytes are all alike; they are told apart by their names.
            content=content or None,
        )
