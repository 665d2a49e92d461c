"""Makes a document findable in an index, in two steps without a gap.

First all its chunks at once, by their words and by rough vectors that cost microseconds; the older version leaves in
the same transaction. Then the index's own vectors follow in batches, each committed for good, so that whoever goes
on after a crash embeds only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Max

from apps.knowledge.embedders import embedder_of
from apps.knowledge.ingest.chunk import ChunkDraft, embedded_text
from apps.knowledge.models import Chunk, ChunkSketch, IndexedDocument
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.services.index_rows import (
    IndexTarget,
    end_document,
    write_chunks,
    write_sketches,
    write_vectors,
)
from apps.knowledge.services.passage_vectors import (
    content_key,
    embed_passages,
    find_known_vectors,
)
from apps.knowledge.services.revisions import begin_revision
from parley.llm import embed_statically
from parley.tenancy import tenant_tx

EMBED_BATCH = 32

Fence = Callable[[], None]
Advance = Callable[[int, int], None]
Pace = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Placement:
    """One version of a document and the index that it goes into. `title` stands above chunks without headings."""

    search_index_id: UUID
    knowledge_base_id: UUID
    document_id: UUID
    document_version_id: UUID
    title: str


def make_findable(placement: Placement, drafts: Sequence[ChunkDraft], *, name: str, fence: Fence) -> None:
    """Replace whatever the index finds of the document by these chunks, in one transaction.

    Vectors that this tenant has already are used at once, the others are sketched. `fence` runs inside the
    transaction and raises when the caller has lost the document; `name` is found as a word when there is no title.
    """
    model = embedder_of(placement.search_index_id).name
    texts = [embedded_text(placement.title, draft.headings, draft.text) for draft in drafts]
    keys = [content_key(model, text) for text in texts]
    enabled = [number for number, draft in enumerate(drafts) if draft.is_enabled]
    known = find_known_vectors(keys)
    missing = [number for number in enabled if keys[number] not in known]
    sketches = embed_statically([texts[number] for number in missing])
    with tenant_tx():
        revision = begin_revision(placement.knowledge_base_id)
        fence()
        target = IndexTarget(
            search_index_id=placement.search_index_id,
            knowledge_base_id=placement.knowledge_base_id,
            document_id=placement.document_id,
            document_version_id=placement.document_version_id,
            title=placement.title or name,
            edition=next_edition(
                search_index_id=placement.search_index_id, document_version_id=placement.document_version_id
            ),
            revision=revision,
        )
        end_document(search_index_id=placement.search_index_id, document_id=placement.document_id, revision=revision)
        ids = write_chunks(target, drafts)
        write_vectors([(ids[number], known[keys[number]]) for number in enabled if keys[number] in known])
        write_sketches(
            [(ids[number], halfvec_literal(sketch)) for number, sketch in zip(missing, sketches, strict=True)]
        )
        IndexedDocument.objects.update_or_create(
            search_index_id=placement.search_index_id,
            document_id=placement.document_id,
            defaults={
                "document_version_id": placement.document_version_id,
                "edition": target.edition,
                "chunk_count": len(enabled),
                "token_count": sum(drafts[number].token_count for number in enabled),
            },
        )


def is_waiting_for_vectors(placement: Placement) -> bool:
    """Whether this very version is findable by sketches: the first step is done, the second is not.

    Inside the caller's transaction.
    """
    placed = IndexedDocument.objects.filter(
        search_index_id=placement.search_index_id,
        document_id=placement.document_id,
        document_version_id=placement.document_version_id,
    )
    sketches = ChunkSketch.objects.filter(search_index_id=placement.search_index_id, document_id=placement.document_id)
    return bool(placed.exists() and sketches.exists())


def complete_vectors(placement: Placement, *, advance: Advance, pace: Pace = lambda done, total: None) -> None:
    """Give every sketched chunk its own vector, batch by batch. Raises as `embeddings.embed` does.

    `advance(done, total)` runs inside each batch's transaction (and once before the first) and raises when the
    caller has lost the document. `pace(done, total)` runs between batches, outside any transaction, and may raise
    to stop there.
    """
    embedder = embedder_of(placement.search_index_id)
    with tenant_tx():
        waiting = list(
            Chunk.objects.filter(
                document_id=placement.document_id,
                search_index_id=placement.search_index_id,
                id__in=ChunkSketch.objects.filter(
                    document_id=placement.document_id, search_index_id=placement.search_index_id
                ).values("chunk_id"),
            )
            .order_by("ordinal")
            .values_list("id", "headings", "text")
        )
    chunks: dict[UUID, list[UUID]] = {}
    texts: dict[UUID, str] = {}
    for chunk_id, headings, text in waiting:
        whole = embedded_text(placement.title, headings, text)
        key = content_key(embedder.name, whole)
        texts[key] = whole
        chunks.setdefault(key, []).append(chunk_id)
    keys = list(texts)
    for start in range(0, len(keys), EMBED_BATCH):
        pace(start, len(keys))
        batch = keys[start : start + EMBED_BATCH]
        vectors = embed_passages([(key, texts[key]) for key in batch], model_id=embedder.model_id)
        with tenant_tx():
            advance(min(start + EMBED_BATCH, len(keys)), len(keys))
            asked = [chunk_id for key in batch for chunk_id in chunks[key]]
            waits = _lock_sketched(asked)
            write_vectors([(chunk_id, vectors[key]) for key in batch for chunk_id in chunks[key] if chunk_id in waits])


def _lock_sketched(chunk_ids: Sequence[UUID]) -> set[UUID]:
    """Those that still have a sketch: what another run completed meanwhile, or an editor replaced, is left alone."""
    sketches = ChunkSketch.objects.filter(chunk_id__in=chunk_ids).select_for_update()
    return set(sketches.values_list("chunk_id", flat=True))


def next_edition(*, search_index_id: UUID, document_version_id: UUID) -> int:
    """The number of the next writing of a version in an index. Inside the caller's transaction."""
    written = Chunk.objects.filter(search_index_id=search_index_id, document_version_id=document_version_id)
    last: int | None = written.aggregate(last=Max("edition"))["last"]
    return (last or 0) + 1
