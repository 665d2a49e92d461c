"""Documents and passages as the templates show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.knowledge.contracts import Passage
from apps.knowledge.enums import WORKING, ChunkOrigin, DocumentStatus
from apps.knowledge.indexing_progress import IndexingProgress, find_indexing_progress
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.sniff import ACCEPTED_EXTENSIONS, READABLE
from apps.knowledge.models import Chunk, Document, DocumentVersion
from apps.knowledge.policies import is_unfinished, may_cancel, may_retry
from apps.knowledge.services.documents import erase_after
from apps.knowledge.services.originals import has_pictures
from parley.jobs.selectors import words_for_seconds
from parley.llm.words import content_stems

_WORD = re.compile(r"(\w+)")
ACCEPT = ",".join(ACCEPTED_EXTENSIONS)
MAX_BYTES = limits.MAX_FILE_BYTES
DROP_HINT = f"{READABLE}, up to {limits.MAX_FILE_BYTES // limits.MEBIBYTE} MB each"

_PAGE = re.compile(r"pages? (\d+)")
_STAGES = (
    ("Uploaded", DocumentStatus.QUEUED),
    ("Text read", DocumentStatus.EXTRACTING),
    ("Cut into chunks", DocumentStatus.CHUNKING),
    ("Embedded", DocumentStatus.EMBEDDING),
    ("Ready", DocumentStatus.INDEXED),
)
_ORDER = [status for _, status in _STAGES]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A line of the documents table."""

    document: Document
    is_unfinished: bool
    may_retry: bool
    may_cancel: bool
    size: str
    status_words: str
    count_words: str
    left_words: str

    @property
    def progress_words(self) -> str:
        """All that is known about how far it is, in one line."""
        return " · ".join(filter(None, (self.status_words, self.count_words, self.left_words)))


def document_rows(documents: Iterable[Document]) -> list[DocumentRow]:
    """Lines for documents, with one query for the progress of all."""
    shown = list(documents)
    progress = find_indexing_progress(shown)
    return [_document_row(document, progress.get(document.id)) for document in shown]


def _document_row(document: Document, progress: IndexingProgress | None) -> DocumentRow:
    counts = progress is not None and progress.total > 0 and document.status in WORKING
    return DocumentRow(
        document=document,
        is_unfinished=is_unfinished(document),
        may_retry=may_retry(document),
        may_cancel=may_cancel(document),
        size=filesizeformat(document.size_bytes),
        status_words=_status_words(document, progress),
        count_words=f"{progress.done:,} of {progress.total:,} chunks" if progress and counts else "",
        left_words=words_for_seconds(progress.seconds_left) if progress else "",
    )


def _status_words(document: Document, progress: IndexingProgress | None) -> str:
    """The status; a document that waits for a second try, or for somebody to resume it, says so."""
    if progress is not None and progress.is_paused:
        return "Paused"
    if document.status == DocumentStatus.QUEUED and document.error:
        return "Waiting to try again"
    return str(DocumentStatus(document.status).label)


def metadata_rows(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as people read them."""
    return [(name, ", ".join(_shown(each) for each in _listed(value))) for name, value in metadata.items()]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """A line of the deleted documents; from `erased_at` on it is gone for good."""

    document: Document
    size: str
    erased_at: datetime | None


def deleted_row(document: Document) -> DeletedRow:
    """One line."""
    erased_at = None if document.deleted_at is None else document.deleted_at + erase_after()
    return DeletedRow(document, filesizeformat(document.size_bytes), erased_at)


def document_steps(document: Document) -> list[dict[str, Any]]:
    """The stages of indexing with their state, for the `steps` component."""
    if document.status == DocumentStatus.FAILED:
        return [{"label": "Uploaded", "state": "done"}, {"label": "Failed", "state": "failed"}]
    reached = _ORDER.index(DocumentStatus(document.status))
    is_ready = document.status == DocumentStatus.INDEXED
    return [
        {
            "label": label,
            "state": "done" if number < reached or is_ready else "current" if number == reached else "todo",
        }
        for number, (label, _) in enumerate(_STAGES)
    ]


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk with what may be done to it. `sheet` is the page of the file where it begins, if it names one."""

    chunk: Chunk
    sheet: int | None
    is_current: bool

    @property
    def is_changed(self) -> bool:
        """Whether the words are a person's."""
        return self.chunk.origin != ChunkOrigin.EXTRACTED


def chunk_row(chunk: Chunk) -> ChunkRow:
    """One chunk as shown."""
    named = _PAGE.match(chunk.location)
    return ChunkRow(chunk, sheet=int(named[1]) if named else None, is_current=chunk.valid_to is None)


@dataclass(frozen=True, slots=True)
class OriginalPanel:
    """What is shown of the uploaded file: one of its pages, or its text when pages cannot be drawn."""

    version: DocumentVersion
    has_file: bool
    has_pictures: bool
    sheet: int
    sheet_count: int

    @property
    def before(self) -> int | None:
        """The page before this one."""
        return self.sheet - 1 if self.sheet > 1 else None

    @property
    def after(self) -> int | None:
        """The page after this one."""
        return self.sheet + 1 if self.sheet < self.sheet_count else None


def original_panel(document: Document, version: Any, sheet: int) -> OriginalPanel:
    """The panel of a version out of `list_versions`."""
    return OriginalPanel(
        version=version,
        has_file=version.has_original,
        has_pictures=has_pictures(version.media_type) and bool(document.page_count),
        sheet=sheet,
        sheet_count=document.page_count or 1,
    )


def sheet_of(asked: str, page_count: int | None) -> int:
    """The page to show, from what was asked for; the first when that is no page."""
    number = int(asked) if asked.isdecimal() and len(asked) < 6 else 1
    return max(1, min(number, page_count or 1))


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A result of the retrieval test, with why it was found; the words of the question are marked in `html`."""

    passage: Passage
    number: int
    reason: str
    html: SafeString


def found_passages(passages: Iterable[Passage], question: str) -> list[FoundPassage]:
    """Results in order, each with the reason in words."""
    return [
        FoundPassage(passage, number, _reason(passage), marked(passage.text, question))
        for number, passage in enumerate(passages, start=1)
    ]


def marked(text: str, question: str) -> SafeString:
    """The text, escaped, with `<mark>` around every word that shares its stem with a word of the question."""
    asked = set(content_stems(question))
    parts = _WORD.split(text)
    return format_html_join("", "{}", ((_mark(part, asked),) for part in parts))


def _mark(part: str, asked: set[str]) -> str:
    return format_html("<mark>{}</mark>", part) if asked.intersection(content_stems(part)) else part


def _reason(passage: Passage) -> str:
    if passage.matches_words and passage.similarity is not None:
        return "Words and meaning"
    return "Words" if passage.matches_words else "Meaning"
