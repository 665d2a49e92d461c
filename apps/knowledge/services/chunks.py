"""Editing what is found of a document: change a chunk's words, turn it off, add one, take the file's words back.

A chunk is never rewritten. Every change but turning off makes a new chunk in the same place, found from the base's
next revision on; the old one stays for the answers and snapshots that were based on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import F, Max

from apps.knowledge.embedders import embedder_of
from apps.knowledge.enums import ChunkOrigin, IndexState
from apps.knowledge.ingest.blocks import clean_code
from apps.knowledge.ingest.chunk import HEADING_SEPARATOR, embedded_text
from apps.knowledge.ingest.tokens import count_tokens
from apps.knowledge.models import Chunk, Document, IndexedDocument
from apps.knowledge.policies import require_may_edit_chunks
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.selectors import get_chunk, get_document
from apps.knowledge.services.findability import Placement, complete_vectors, next_edition
from apps.knowledge.services.index_rows import end_search_rows, write_sketches, write_terms, write_vectors
from apps.knowledge.services.passage_vectors import content_key, find_known_vectors
from apps.knowledge.services.revisions import begin_revision
from apps.tenants.services.audit import record
from parley.errors import Conflict, Invalid
from parley.jobs.submit import submit
from parley.llm import embed_statically
from parley.tenancy import tenant_tx

# Twice what the embedder reads at once: the words of all of it are found, its meaning is that of the beginning.
MAX_TOKENS = 500
MAX_HEADINGS = 10
MAX_HEADING_CHARS = 200
_REPLACED = "This chunk was replaced or removed meanwhile. Open the document again."


@dataclass(frozen=True, slots=True)
class _Words:
    """The words that a new chunk gets."""

    text: str
    headings: tuple[str, ...]
    origin: ChunkOrigin


def edit_chunk(*, chunk_id: UUID, text: str) -> Chunk:
    """Put other words in a chunk's place; returns the chunk that is there now.

    The words are findable when the transaction commits, their final vector follows in a job. Equal words change
    nothing. Raises `NotFound`; `Invalid` for an empty or overlong text; `Conflict` for a chunk that is not current
    or a document that is being indexed.
    """
    chunk = _current(chunk_id)
    text = _checked_text(text)
    if text == chunk.text:
        return chunk
    origin = ChunkOrigin.ADDED if chunk.origin == ChunkOrigin.ADDED else ChunkOrigin.EDITED
    edited = _put_in_place(chunk, _Words(text, tuple(chunk.headings), origin), is_enabled=chunk.is_enabled)
    record(
        action="chunk.edited",
        target=edited.document,
        before={"chunk": str(chunk.id), "text": chunk.text},
        after={"chunk": str(edited.id), "text": text},
    )
    return edited


def restore_chunk(*, chunk_id: UUID) -> Chunk:
    """Put the words of the file back in an edited chunk's place. Raises as `edit_chunk`, and `Conflict` for a
    chunk that the file has no words for.
    """
    chunk = _current(chunk_id)
    if chunk.origin == ChunkOrigin.EXTRACTED:
        return chunk
    extracted = (
        Chunk.objects.filter(
            search_index_id=chunk.search_index_id,
            document_version_id=chunk.document_version_id,
            ordinal=chunk.ordinal,
            origin=ChunkOrigin.EXTRACTED,
        )
        .order_by("-edition")
        .first()
    )
    if extracted is None and chunk.file_text:
        words = _Words(chunk.file_text, tuple(chunk.headings), ChunkOrigin.EXTRACTED)
        return _put_in_place(chunk, words, is_enabled=chunk.is_enabled)
    if extracted is None:
        raise Conflict("This chunk was added by hand: the file has no other words for it. You can remove it.")
    words = _Words(extracted.text, tuple(extracted.headings), ChunkOrigin.EXTRACTED)
    restored = _put_in_place(chunk, words, is_enabled=chunk.is_enabled)
    record(action="chunk.restored", target=restored.document, after={"chunk": str(restored.id)})
    return restored


def disable_chunk(*, chunk_id: UUID) -> Chunk:
    """Let a chunk be found no more; it stays visible in its document. Safe to repeat. Raises as `edit_chunk`."""
    chunk = _current(chunk_id)
    if not chunk.is_enabled:
        return chunk
    document, revision = _lock(chunk)
    end_search_rows(search_index_id=chunk.search_index_id, chunk_ids=[chunk.id], revision=revision)
    Chunk.objects.filter(id=chunk.id).update(is_enabled=False)
    _count(document, chunk.search_index_id, chunks=-1, tokens=-chunk.token_count)
    record(action="chunk.disabled", target=document, after={"chunk": str(chunk.id)})
    chunk.is_enabled = False
    return chunk


def enable_chunk(*, chunk_id: UUID) -> Chunk:
    """Let a chunk be found again; returns the chunk in its place now. Safe to repeat. Raises as `edit_chunk`."""
    chunk = _current(chunk_id)
    if chunk.is_enabled:
        return chunk
    words = _Words(chunk.text, tuple(chunk.headings), ChunkOrigin(chunk.origin))
    enabled = _put_in_place(chunk, words, is_enabled=True)
    record(action="chunk.enabled", target=enabled.document, after={"chunk": str(enabled.id)})
    return enabled


def add_chunk(*, document_id: UUID, text: str, headings: Sequence[str] = ()) -> Chunk:
    """Add a chunk after the last one of an indexed document. Raises as `edit_chunk`."""
    document = get_document(document_id)
    require_may_edit_chunks(document)
    words = _Words(_checked_text(text), _checked_headings(headings), ChunkOrigin.ADDED)
    placed = IndexedDocument.objects.filter(document_id=document.id, search_index__state=IndexState.ACTIVE).first()
    if placed is None:
        raise Conflict("A chunk can be added once the document has been indexed.")
    chunk = Chunk(
        knowledge_base_id=document.knowledge_base_id,
        document=document,
        document_version_id=placed.document_version_id,
        search_index_id=placed.search_index_id,
        location=(HEADING_SEPARATOR.join(words.headings) or "added by hand")[:500],
    )
    written = _write(chunk, words, is_enabled=True, old=None)
    record(action="chunk.added", target=document, after={"chunk": str(written.id), "text": written.text})
    return written


def remove_chunk(*, chunk_id: UUID) -> None:
    """Take out a chunk that was added by hand. Raises as `edit_chunk`, and `Conflict` for a chunk of the file."""
    chunk = _current(chunk_id)
    if chunk.origin != ChunkOrigin.ADDED:
        raise Conflict("Only chunks that were added by hand can be removed. Turn this one off instead.")
    document, revision = _lock(chunk)
    _end(chunk, document, revision)
    record(action="chunk.removed", target=document, before={"chunk": str(chunk.id), "text": chunk.text})


def complete_document_vectors(*, document_id: UUID) -> None:
    """Give the sketched chunks of an indexed document the vectors of its index.

    Opens its own transactions. Safe to repeat: chunks that have their vectors are left alone. Raises as
    `embeddings.embed` does; `NotFound` for a deleted document.
    """
    with tenant_tx():
        document = get_document(document_id)
        placed = IndexedDocument.objects.filter(document=document, search_index__state=IndexState.ACTIVE).first()
    if placed is None:
        return
    placement = Placement(
        search_index_id=placed.search_index_id,
        knowledge_base_id=document.knowledge_base_id,
        document_id=document.id,
        document_version_id=placed.document_version_id,
        title=document.title,
    )
    complete_vectors(placement, advance=lambda done, total: _require_alive(document_id))


def _require_alive(document_id: UUID) -> None:
    """Inside a batch's transaction. Raises `NotFound` when the document was deleted meanwhile."""
    get_document(document_id, for_update=True)


def _current(chunk_id: UUID) -> Chunk:
    """A chunk that is part of its document now. Raises `NotFound`, `Conflict`."""
    chunk = get_chunk(chunk_id)
    if chunk.valid_to is not None or chunk.search_index.state != IndexState.ACTIVE:
        raise Conflict(_REPLACED)
    require_may_edit_chunks(chunk.document)
    return chunk


def _lock(chunk: Chunk) -> tuple[Document, int]:
    """The base, then the document, then the chunk: nobody else changes them until the transaction ends."""
    revision = begin_revision(chunk.knowledge_base_id)
    document = get_document(chunk.document_id, for_update=True)
    require_may_edit_chunks(document)
    still = Chunk.objects.filter(id=chunk.id, valid_to=None, is_enabled=chunk.is_enabled)
    if not still.select_for_update().exists():
        raise Conflict(_REPLACED)
    return document, revision


def _put_in_place(old: Chunk, words: _Words, *, is_enabled: bool) -> Chunk:
    chunk = Chunk(
        knowledge_base_id=old.knowledge_base_id,
        document=old.document,
        document_version_id=old.document_version_id,
        search_index_id=old.search_index_id,
        ordinal=old.ordinal,
        section=old.section,
        location=old.location,
        replaces=old,
    )
    return _write(chunk, words, is_enabled=is_enabled, old=old)


def _write(chunk: Chunk, words: _Words, *, is_enabled: bool, old: Chunk | None) -> Chunk:
    """Write a new chunk with what finds it, and end the one that it replaces."""
    title = chunk.document.title
    whole = embedded_text(title, words.headings, words.text)
    key = content_key(embedder_of(chunk.search_index_id).name, whole)
    known = find_known_vectors([key]) if is_enabled else {}
    sketches = [] if known or not is_enabled else embed_statically([whole])
    if old is not None:
        document, revision = _lock(old)
        _end(old, document, revision)
    else:
        revision = begin_revision(chunk.knowledge_base_id)
        document = get_document(chunk.document_id, for_update=True)
        require_may_edit_chunks(document)
        chunk.ordinal, chunk.section = _place_after_last(chunk)
    chunk.document = document
    chunk.text, chunk.headings, chunk.origin = words.text, list(words.headings), words.origin
    chunk.token_count, chunk.is_enabled = count_tokens(whole), is_enabled
    chunk.edition, chunk.valid_from = (
        next_edition(search_index_id=chunk.search_index_id, document_version_id=chunk.document_version_id),
        revision,
    )
    chunk.save()
    if is_enabled:
        write_terms(chunk_id=chunk.id, title=title or document.name)
        write_vectors([(chunk.id, vector) for vector in known.values()])
        write_sketches([(chunk.id, halfvec_literal(sketch)) for sketch in sketches])
        _count(document, chunk.search_index_id, chunks=1, tokens=chunk.token_count)
    if sketches:
        submit("knowledge.complete_vectors", subject_id=document.id, group_id=document.knowledge_base_id)
    return chunk


def _end(chunk: Chunk, document: Document, revision: int) -> None:
    if chunk.is_enabled:
        end_search_rows(search_index_id=chunk.search_index_id, chunk_ids=[chunk.id], revision=revision)
        _count(document, chunk.search_index_id, chunks=-1, tokens=-chunk.token_count)
    Chunk.objects.filter(id=chunk.id).update(valid_to=revision)


def _count(document: Document, search_index_id: UUID, *, chunks: int, tokens: int) -> None:
    """Keep the numbers of what can be found right."""
    IndexedDocument.objects.filter(document_id=document.id, search_index_id=search_index_id).update(
        chunk_count=F("chunk_count") + chunks, token_count=F("token_count") + tokens
    )
    Document.objects.filter(id=document.id).update(chunk_count=F("chunk_count") + chunks)


def _place_after_last(chunk: Chunk) -> tuple[int, int]:
    """Ordinal and section of a chunk that is added: after everything, in a section of its own."""
    live = Chunk.objects.filter(document_id=chunk.document_id, search_index_id=chunk.search_index_id, valid_to=None)
    last = live.aggregate(ordinal=Max("ordinal"), section=Max("section"))
    return (0, 0) if last["ordinal"] is None else (last["ordinal"] + 1, last["section"] + 1)


def _checked_text(text: str) -> str:
    text = clean_code(text.replace("\r\n", "\n"))
    sentence = ""
    if not text:
        sentence = "A chunk needs words. Turn it off if it shall not be found."
    elif (tokens := count_tokens(text)) > MAX_TOKENS:
        sentence = f"A chunk may have {MAX_TOKENS} tokens; this one has {tokens:,}. Add the rest as another chunk."
    if sentence:
        raise Invalid(sentence, errors={"text": [sentence]})
    return text


def _checked_headings(headings: Sequence[str]) -> tuple[str, ...]:
    cleaned = tuple(filter(None, (" ".join(clean_code(heading).split()) for heading in headings)))
    if len(cleaned) > MAX_HEADINGS or any(len(heading) > MAX_HEADING_CHARS for heading in cleaned):
        sentence = f"A chunk may have {MAX_HEADINGS} headings of {MAX_HEADING_CHARS} characters at most."
        raise Invalid(sentence, errors={"headings": [sentence]})
    return cleaned
