"""Reads about knowledge: lists for the pages, and the one `search` that everything uses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any
from uuid import UUID

from django.db.models import CharField, Count, Exists, Func, Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.knowledge.contracts import RetrievalSettings
from apps.knowledge.crawl.outcome import Counts, diff_sentence
from apps.knowledge.enums import TYPED_IN, UNFINISHED, DocumentStatus, EntryKind, IndexState
from apps.knowledge.job_kinds import INDEX_JOB
from apps.knowledge.models import (
    Chunk,
    Document,
    DocumentVersion,
    Entry,
    KnowledgeBase,
    OriginalFile,
    RecordedSearch,
    Snapshot,
    Source,
    SourcePage,
    SourceRun,
)
from apps.knowledge.retrieval.search import look_up, search
from apps.knowledge.retrieval.settings import settings_of
from apps.knowledge.source_enums import OPEN_RUN, RunState
from parley.errors import NotFound
from parley.jobs import Subject
from parley.jobs.selectors import group_is_paused

__all__ = [
    "count_source_documents",
    "describe_documents",
    "find_current_page",
    "find_last_runs",
    "find_ordinal",
    "get_chunk",
    "get_deleted_document",
    "get_document",
    "get_entry",
    "get_knowledge_base",
    "get_original",
    "get_retrieval_settings",
    "get_source",
    "get_source_run",
    "get_version",
    "latest_questions",
    "list_access_tags",
    "list_chunks",
    "list_chunks_of_version",
    "list_deleted_documents",
    "list_documents",
    "list_entries",
    "list_knowledge_bases",
    "list_searches",
    "list_snapshot_bases",
    "list_snapshot_choices",
    "list_source_runs",
    "list_sources",
    "list_versions",
    "look_up",
    "search",
    "tell_run",
]


class Unnest(Func):
    """A row for each item of an array."""

    function = "unnest"
    set_returning = True
    output_field = CharField()


_NO_BASE = "There is no such knowledge base."
_NO_DOCUMENT = "There is no such document."


def list_knowledge_bases() -> QuerySet[Any]:
    """Knowledge bases of the ambient tenant, newest first.

    With `document_count`, `failed_count`, `unfinished_count`, `chunk_total`, `size_total`, and `is_paused`: whether
    documents wait until somebody resumes their indexing.
    """
    alive = Q(documents__deleted_at=None)
    bases: QuerySet[Any] = KnowledgeBase.objects.annotate(
        document_count=Count("documents", filter=alive),
        failed_count=Count("documents", filter=alive & Q(documents__status=DocumentStatus.FAILED)),
        unfinished_count=Count("documents", filter=alive & Q(documents__status__in=UNFINISHED)),
        chunk_total=Coalesce(Sum("documents__chunk_count", filter=alive), 0),
        size_total=Coalesce(Sum("documents__size_bytes", filter=alive), 0),
        is_paused=group_is_paused(INDEX_JOB, "id"),
    ).order_by("-id")
    return bases


def get_knowledge_base(knowledge_base_id: UUID) -> KnowledgeBase:
    """A knowledge base with the counts of `list_knowledge_bases`. Raises `NotFound`."""
    base: KnowledgeBase | None = list_knowledge_bases().filter(id=knowledge_base_id).first()
    if base is None:
        raise NotFound(_NO_BASE)
    return base


def get_retrieval_settings(knowledge_base_id: UUID) -> RetrievalSettings:
    """How a knowledge base is searched. Raises `NotFound`."""
    return settings_of([get_knowledge_base(knowledge_base_id).id])


def list_snapshot_choices() -> list[tuple[UUID, str]]:
    """Every snapshot of the ambient tenant with its base's name, newest first within a base."""
    rows = Snapshot.objects.order_by("knowledge_base__name", "-number")
    return [(row.id, f"{row.knowledge_base.name}: {row.name}") for row in rows.select_related("knowledge_base")]


def list_snapshot_bases(snapshot_ids: Iterable[UUID]) -> list[tuple[UUID, UUID]]:
    """Snapshots that exist of these, each with its base."""
    return list(Snapshot.objects.filter(id__in=snapshot_ids).values_list("id", "knowledge_base_id"))


def list_searches(*, knowledge_base_id: UUID) -> QuerySet[RecordedSearch]:
    """What conversations searched for in a knowledge base, newest first."""
    searches: QuerySet[RecordedSearch] = RecordedSearch.objects.filter(knowledge_base_id=knowledge_base_id)
    return searches.order_by("-id")


def latest_questions(*, knowledge_base_id: UUID, limit: int) -> list[RecordedSearch]:
    """The newest searches of a knowledge base, each question once."""
    # A few more rows than wanted: what many ask in the same words must not crowd out the rest.
    newest: dict[str, RecordedSearch] = {}
    for search_row in list_searches(knowledge_base_id=knowledge_base_id)[: limit * 5]:
        newest.setdefault(search_row.question.casefold(), search_row)
    return list(newest.values())[:limit]


def list_documents(*, knowledge_base_id: UUID, external_id: str = "") -> QuerySet[Document]:
    """Documents of a knowledge base that are not deleted, newest first; with an `external_id` the one so called."""
    documents: QuerySet[Document] = Document.objects.filter(knowledge_base_id=knowledge_base_id, deleted_at=None)
    if external_id:
        documents = documents.filter(external_id=external_id)
    return documents.order_by("-id")


def list_access_tags(*, knowledge_base_id: UUID | None = None) -> list[str]:
    """The access tags that documents of the ambient tenant have, or those of one base, in order."""
    tagged = Document.objects.filter(deleted_at=None).exclude(access_tags=[])
    if knowledge_base_id is not None:
        tagged = tagged.filter(knowledge_base_id=knowledge_base_id)
    tags = tagged.annotate(tag=Unnest("access_tags")).order_by("tag").values_list("tag", flat=True)
    return list(tags.distinct())


def list_deleted_documents(*, knowledge_base_id: UUID) -> QuerySet[Document]:
    """Documents that were deleted and can still be restored, the last deleted first."""
    documents: QuerySet[Document] = (
        Document.objects.filter(knowledge_base_id=knowledge_base_id)
        .exclude(deleted_at=None)
        .exclude(kind__in=TYPED_IN)
        .order_by("-deleted_at")
    )
    return documents


def get_deleted_document(document_id: UUID) -> Document:
    """A deleted document that was not erased yet. Raises `NotFound`."""
    document: Document | None = Document.objects.filter(id=document_id).exclude(deleted_at=None).first()
    if document is None:
        raise NotFound(_NO_DOCUMENT)
    return document


def get_document(document_id: UUID, *, for_update: bool = False) -> Document:
    """A document with its knowledge base, locked if asked. Raises `NotFound`, also for deleted ones."""
    documents: QuerySet[Document] = Document.objects.filter(deleted_at=None).select_related("knowledge_base")
    if for_update:
        documents = documents.select_for_update(of=("self",))
    document = documents.filter(id=document_id).first()
    if document is None:
        raise NotFound(_NO_DOCUMENT)
    return document


def list_sources(*, knowledge_base_id: UUID) -> QuerySet[Source]:
    """The sources of a knowledge base, newest first."""
    sources: QuerySet[Source] = Source.objects.filter(knowledge_base_id=knowledge_base_id).order_by("-id")
    return sources


def get_source(source_id: UUID, *, for_update: bool = False) -> Source:
    """A source with its knowledge base, locked if asked. Raises `NotFound`."""
    sources: QuerySet[Source] = Source.objects.select_related("knowledge_base")
    if for_update:
        sources = sources.select_for_update(of=("self",))
    source = sources.filter(id=source_id).first()
    if source is None:
        raise NotFound("There is no such source.")
    return source


def list_source_runs(*, source_id: UUID) -> QuerySet[SourceRun]:
    """The syncs of a source, newest first."""
    runs: QuerySet[SourceRun] = SourceRun.objects.filter(source_id=source_id).order_by("-id")
    return runs


def find_last_runs(source_ids: Sequence[UUID]) -> dict[UUID, SourceRun]:
    """The latest sync of each source that has one."""
    runs = SourceRun.objects.filter(source_id__in=source_ids).order_by("source_id", "-id").distinct("source_id")
    return {run.source_id: run for run in runs}


def count_source_documents(source_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many documents each source holds now."""
    held = Document.objects.filter(source_id__in=source_ids, deleted_at=None)
    counted = held.values("source_id").annotate(number=Count("id")).values_list("source_id", "number")
    return dict(counted)


def find_current_page(*, source_id: UUID) -> SourcePage | None:
    """The first page of a source that has a document now."""
    pages: QuerySet[SourcePage] = SourcePage.objects.filter(source_id=source_id, document__deleted_at=None)
    return pages.exclude(document=None).select_related("document").order_by("-last_seen_at").first()


def tell_run(run: SourceRun) -> str:
    """A sync in one sentence: its diff, how far it is, or why it ended."""
    counts = Counts(*(getattr(run, f"{each.name}_count") for each in fields(Counts)))
    visited = sum(astuple(counts))
    if run.state in OPEN_RUN:
        if run.message:
            return f"Waiting: {run.message}"
        return f"{visited:,} pages so far" if visited else "Starting"
    if run.state == RunState.CANCELLED:
        return f"Cancelled after {visited:,} pages"
    return run.message if run.state == RunState.FAILED else diff_sentence(counts)


def get_source_run(run_id: UUID) -> SourceRun:
    """A sync with its source and its base. Raises `NotFound`."""
    runs = SourceRun.objects.select_related("source__knowledge_base")
    run: SourceRun | None = runs.filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such sync.")
    return run


def describe_documents(document_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """Names of documents for the page of jobs; deleted ones are left out."""
    rows = Document.objects.filter(id__in=document_ids, deleted_at=None).values_list("id", "name")
    return {row_id: Subject(name, "knowledge:document_detail", {"document_id": row_id}) for row_id, name in rows}


def list_chunks(*, document_id: UUID) -> QuerySet[Chunk]:
    """The chunks that a document has now in its base's active index, in reading order."""
    chunks: QuerySet[Chunk] = Chunk.objects.filter(
        document_id=document_id, valid_to=None, search_index__state=IndexState.ACTIVE
    ).order_by("ordinal", "edition")
    return chunks


def list_chunks_of_version(*, document_version_id: UUID) -> QuerySet[Chunk]:
    """The chunks that a version had last, in reading order, whether or not they can be found now."""
    written = Chunk.objects.filter(document_version_id=document_version_id)
    # All of a version ends together; what an editor replaced ended before.
    newest = (
        written.values("search_index_id")
        .annotate(ended=Max("valid_to"), live=Count("id", filter=Q(valid_to=None)))
        .order_by("-live", "-search_index_id")
        .first()
    )
    if newest is None:
        nothing: QuerySet[Chunk] = Chunk.objects.none()
        return nothing
    chunks: QuerySet[Chunk] = written.filter(
        search_index_id=newest["search_index_id"], valid_to=None if newest["live"] else newest["ended"]
    ).order_by("ordinal", "edition")
    return chunks


def list_versions(*, document_id: UUID) -> QuerySet[DocumentVersion]:
    """The versions of a document, newest first, with `has_original`."""
    originals = OriginalFile.objects.filter(document_version_id=OuterRef("id"))
    versions: QuerySet[DocumentVersion] = (
        DocumentVersion.objects.filter(document_id=document_id)
        .annotate(has_original=Exists(originals))
        .select_related("created_by")
        .order_by("-number")
    )
    return versions


def get_version(*, document_id: UUID, number: int) -> DocumentVersion:
    """One version of a document that is not deleted. Raises `NotFound`."""
    version = list_versions(document_id=document_id).filter(number=number, document__deleted_at=None).first()
    if version is None:
        raise NotFound("There is no such version of this document.")
    return version


def get_original(*, document_id: UUID, number: int) -> tuple[DocumentVersion, bytes]:
    """A version and its bytes as they were uploaded. Raises `NotFound`, also when they are no longer kept."""
    version = get_version(document_id=document_id, number=number)
    content = OriginalFile.objects.filter(document_version=version).values_list("content", flat=True).first()
    if content is None:
        raise NotFound("The file of this version is no longer kept.")
    return version, bytes(content)


def get_chunk(chunk_id: UUID) -> Chunk:
    """A chunk with its document and index, current or not. Raises `NotFound`, also when its document was deleted."""
    chunk: Chunk | None = (
        Chunk.objects.filter(id=chunk_id, document__deleted_at=None).select_related("document", "search_index").first()
    )
    if chunk is None:
        raise NotFound("There is no such chunk.")
    return chunk


def list_entries(*, knowledge_base_id: UUID, kind: EntryKind) -> QuerySet[Entry]:
    """Questions and answers of a base that were typed in, newest first."""
    entries: QuerySet[Entry] = (
        Entry.objects.filter(knowledge_base_id=knowledge_base_id, kind=kind)
        .select_related("document", "approved_by")
        .order_by("-id")
    )
    return entries


def get_entry(entry_id: UUID, *, for_update: bool = False) -> Entry:
    """An entry, locked if asked. Raises `NotFound`."""
    entries = Entry.objects.select_related("document", "approved_by")
    if for_update:
        entries = entries.select_for_update(of=("self",))
    entry: Entry | None = entries.filter(id=entry_id).first()
    if entry is None:
        raise NotFound("There is no such entry.")
    return entry


def find_ordinal(*, document_id: UUID, chunk_id: UUID) -> int | None:
    """The place of a chunk in its document, counted from 0; None when it was replaced."""
    ordinals = list_chunks(document_id=document_id).filter(id=chunk_id).values_list("ordinal", flat=True)
    found: int | None = ordinals.first()
    return found
