"""Writes the words of chunks, in the transaction that writes the chunks, and keeps the segments few."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.knowledge.retrieval.languages import AUTO, PROSE_SHARE, SIMPLE, detect_language
from apps.knowledge.retrieval.postings import (
    BLOCK_SIZE,
    HEADING_FREQUENCY,
    PostingsDraft,
    read_places,
    read_weights,
)
from apps.knowledge.retrieval.reading import Reader, read_tokens
from parley.db.ids import uuid7
from parley.tenancy import require_tenant_id, tenant_tx

# So many segments of a level become one of the next.
FAN_OUT = 16

_TAKE_NUMBERS = """
UPDATE knowledge_searchindex SET next_number = next_number + %s WHERE tenant_id = %s AND id = %s
RETURNING next_number, (SELECT language FROM knowledge_knowledgebase AS base
                        WHERE base.tenant_id = knowledge_searchindex.tenant_id AND base.id = knowledge_base_id)
"""
_INSERT_TERMS = """
INSERT INTO knowledge_chunkterms
    (id, tenant_id, created_at, search_index_id, document_id, chunk_id, number, valid_from)
SELECT draft.id, chunk.tenant_id, now(), chunk.search_index_id, chunk.document_id, chunk.id, draft.number,
       chunk.valid_from
FROM unnest(%(ids)s::uuid[], %(chunks)s::uuid[], %(numbers)s::int[]) AS draft (id, chunk_id, number)
JOIN knowledge_chunk AS chunk ON chunk.tenant_id = %(tenant)s AND chunk.id = draft.chunk_id
"""
_INSERT_SEGMENT = """
INSERT INTO knowledge_wordsegment
    (id, tenant_id, created_at, search_index_id, block, level, chunk_count, word_count, languages)
VALUES (%(id)s, %(tenant)s, now(), %(index)s, %(block)s, %(level)s, %(chunks)s, %(words)s, %(languages)s)
"""
_INSERT_POSTINGS = """
INSERT INTO knowledge_wordpostings
    (id, tenant_id, created_at, segment_id, bucket, word, chunk_count, places, weights)
SELECT id, %(tenant)s, now(), %(segment)s, bucket, word, chunk_count, places, weights
FROM unnest(%(ids)s::uuid[], %(buckets)s::int[], %(words)s::text[], %(counts)s::int[], %(places)s::bytea[],
            %(weights)s::bytea[]) AS draft (id, bucket, word, chunk_count, places, weights)
"""
_MAIN_LANGUAGE = """
SELECT language FROM knowledge_wordsegment, unnest(languages) AS language
WHERE tenant_id = %s AND search_index_id = %s AND language <> %s
GROUP BY language ORDER BY sum(chunk_count) DESC, language LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class WordSource:
    """What is read of one chunk: its text, and the title and headings above it."""

    chunk_id: UUID
    headings: Sequence[str]
    text: str


def write_words(*, search_index_id: UUID, sources: Sequence[WordSource]) -> None:
    """Make stored chunks of one document findable by their words. Opens no transaction; locks the index's row."""
    if not sources:
        return
    first, setting = _take_numbers(search_index_id, len(sources))
    headings = [read_tokens(*source.headings) for source in sources]
    texts = [read_tokens(source.text) for source in sources]
    language = _language(search_index_id, setting, [token.text for tokens in texts for token in tokens])
    reader = Reader((token for tokens in (*headings, *texts) for token in tokens), [language])
    drafts: dict[int, PostingsDraft] = {}
    for number, above, tokens in zip(range(first, first + len(sources)), headings, texts, strict=True):
        frequencies = reader.terms_of_passage(tokens)
        for term, frequency in reader.terms_of_passage(above).items():
            frequencies[term] += frequency * HEADING_FREQUENCY
        block, place = divmod(number, BLOCK_SIZE)
        drafts.setdefault(block, PostingsDraft()).add(place, frequencies, len(above) + len(tokens))
    _insert_terms(first, [source.chunk_id for source in sources])
    for block, draft in drafts.items():
        write_segment(Segment(search_index_id, block, 0, draft.chunk_count, draft.word_count, [language]), draft.rows())


def _take_numbers(search_index_id: UUID, count: int) -> tuple[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_NUMBERS, [count, require_tenant_id(), search_index_id])
        next_number, language = cursor.fetchone()
    return next_number - count, language


def _language(search_index_id: UUID, setting: str, words: list[str]) -> str:
    """The base's language, or the document's own where that is sure, or else the main one of the index.

    Few words, tables and programs betray their language by chance only, and a wrong one costs their stems.
    """
    if setting != AUTO:
        return setting
    found = detect_language(words, least_share=PROSE_SHARE)
    if found != SIMPLE:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_MAIN_LANGUAGE, [require_tenant_id(), search_index_id, SIMPLE])
        row = cursor.fetchone()
    return row[0] if row else detect_language(words)


def _insert_terms(first: int, chunk_ids: Sequence[UUID]) -> None:
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "ids": [uuid7() for _ in chunk_ids],
        "chunks": list(chunk_ids),
        "numbers": list(range(first, first + len(chunk_ids))),
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_TERMS, values)


@dataclass(frozen=True, slots=True)
class Segment:
    """A row of `WordSegment` without its id."""

    search_index_id: UUID
    block: int
    level: int
    chunk_count: int
    word_count: int
    languages: Sequence[str] = field(default_factory=list)


PostingsRow = tuple[int, str, int, bytes, bytes]


def write_segment(segment: Segment, rows: Sequence[PostingsRow]) -> None:
    """Insert a segment and its postings (bucket, word, chunk count, places, weights)."""
    segment_id = uuid7()
    values: dict[str, Any] = {
        "id": segment_id,
        "tenant": require_tenant_id(),
        "index": segment.search_index_id,
        "block": segment.block,
        "level": segment.level,
        "chunks": segment.chunk_count,
        "words": segment.word_count,
        "languages": list(segment.languages),
    }
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_SEGMENT, values)
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            part = rows[start : start + _ROWS_A_STATEMENT]
            buckets, words, counts, places, weights = (list(column) for column in zip(*part, strict=True))
            cursor.execute(
                _INSERT_POSTINGS,
                {
                    "tenant": require_tenant_id(),
                    "segment": segment_id,
                    "ids": [uuid7() for _ in part],
                    "buckets": buckets,
                    "words": words,
                    "counts": counts,
                    "places": places,
                    "weights": weights,
                },
            )


_ROWS_A_STATEMENT = 5_000


# -- few segments, and none with what is gone --------------------------------------------------------------------

_LOCK_INDEX = "SELECT pg_advisory_xact_lock(hashtextextended('word segments ' || %s, 0))"
_SEGMENTS = """
SELECT id, block, level, chunk_count, word_count, languages FROM knowledge_wordsegment
WHERE tenant_id = %s AND search_index_id = %s ORDER BY block, level, id
"""
_PRESENT = """
SELECT number FROM knowledge_chunkterms
WHERE tenant_id = %s AND search_index_id = %s AND number >= %s AND number < %s
"""
_POSTINGS = """
SELECT bucket, word, places, weights FROM knowledge_wordpostings
WHERE tenant_id = %s AND segment_id = ANY(%s) ORDER BY bucket, word, segment_id
"""
_DELETE_POSTINGS = "DELETE FROM knowledge_wordpostings WHERE tenant_id = %s AND segment_id = ANY(%s)"
_DELETE_SEGMENTS = "DELETE FROM knowledge_wordsegment WHERE tenant_id = %s AND id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class _Stored:
    id: UUID
    block: int
    level: int
    chunk_count: int
    word_count: int
    languages: list[str]


def tidy_words(*, search_index_id: UUID, erase: bool = False) -> int:
    """Merge segments that have become many; with `erase` also remove the words of chunks that are gone.

    Returns how many segments were written. Opens its own transactions, one for each; searches go on beside it
    and see the old segments until the new one is there. Safe to repeat and to run twice at once.
    """
    written = 0
    while _tidy_once(search_index_id, erase=erase):
        written += 1
    return written


def _tidy_once(search_index_id: UUID, *, erase: bool) -> bool:
    tenant = require_tenant_id()
    with tenant_tx(), connection.cursor() as cursor:
        cursor.execute(_LOCK_INDEX, [str(search_index_id)])
        cursor.execute(_SEGMENTS, [tenant, search_index_id])
        segments = [_Stored(*row) for row in cursor.fetchall()]
        for block, members in groupby(segments, key=lambda segment: segment.block):
            of_block = list(members)
            chosen = _due(of_block)
            if not chosen and not erase:
                continue
            cursor.execute(_PRESENT, [tenant, search_index_id, block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE])
            present = np.zeros(BLOCK_SIZE, dtype=bool)
            present[[number % BLOCK_SIZE for (number,) in cursor.fetchall()]] = True
            if not chosen and sum(segment.chunk_count for segment in of_block) > present.sum():
                chosen = of_block
            if chosen:
                _merge(cursor, search_index_id, chosen, present)
                return True
    return False


def _due(segments: Iterable[_Stored]) -> list[_Stored]:
    """The segments of the lowest level that has its number full."""
    for _, members in groupby(segments, key=lambda segment: segment.level):
        level = list(members)
        if len(level) >= FAN_OUT:
            return level
    return []


def _merge(cursor: Any, search_index_id: UUID, segments: Sequence[_Stored], present: npt.NDArray[np.bool_]) -> None:
    tenant = require_tenant_id()
    ids = [segment.id for segment in segments]
    cursor.execute(_POSTINGS, [tenant, ids])
    seen = np.zeros(BLOCK_SIZE, dtype=bool)
    rows = list(_merged_rows(cursor.fetchall(), present, seen))
    chunk_count = int(seen.sum())
    before = sum(segment.chunk_count for segment in segments)
    words = sum(segment.word_count for segment in segments)
    cursor.execute(_DELETE_POSTINGS, [tenant, ids])
    cursor.execute(_DELETE_SEGMENTS, [tenant, ids])
    if chunk_count:
        merged = Segment(
            search_index_id,
            segments[0].block,
            max(segment.level for segment in segments) + (1 if len(segments) > 1 else 0),
            chunk_count,
            words * chunk_count // max(before, 1),
            sorted({language for segment in segments for language in segment.languages}),
        )
        write_segment(merged, rows)


def _merged_rows(
    rows: Sequence[tuple[int, str, bytes, bytes]], present: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_]
) -> Iterator[PostingsRow]:
    for (bucket, word), group in groupby(rows, key=lambda row: (row[0], row[1])):
        parts = list(group)
        places = np.concatenate([read_places(part[2]) for part in parts])
        weights = np.concatenate([read_weights(part[3]) for part in parts])
        kept = present[places]
        if not kept.all():
            places, weights = places[kept], weights[kept]
        if len(places):
            seen[places] = True
            yield bucket, word, len(places), places.tobytes(), weights.tobytes()
