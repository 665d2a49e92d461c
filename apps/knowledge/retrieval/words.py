"""Passages that share words with the question, the rare words counting most (BM25).

The postings of the question's words are read by equality, which row-level security lets an index serve, and
added up here: a word costs three bytes for every passage that holds it, however many passages there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection

from apps.knowledge.retrieval.postings import (
    BLOCK_SIZE,
    bucket_of,
    buckets_near,
    rarity,
    read_places,
    read_weights,
    worth_of_weights,
)
from apps.knowledge.retrieval.reading import QueryWord, Reader, read_tokens
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.typos import corrections, may_be_misspelt, slips_allowed
from parley.tenancy import require_tenant_id

MAX_WORDS = 16
MAX_QUERY_CHARS = 2_000
# What a corrected word counts beside one that was found as written.
_CORRECTED = 0.7
_LOOKALIKES = 60
# So many numbers are fetched rather than met one by one among the best of all.
_MASKED_UP_TO = 2_000

_SEGMENTS = """
SELECT id, search_index_id, block, chunk_count, word_count, languages FROM knowledge_wordsegment
WHERE tenant_id = %s AND search_index_id = ANY(%s)
"""
_POSTINGS = """
SELECT segment_id, word, places, weights FROM knowledge_wordpostings
WHERE tenant_id = %s AND segment_id = ANY(%s) AND bucket = ANY(%s) AND word = ANY(%s)
"""
# The index holds all of this; likeness is judged for the few thousand words of these buckets only.
_LOOKALIKE_WORDS = """
SELECT word, sum(chunk_count) FROM knowledge_wordpostings
WHERE tenant_id = %s AND segment_id = ANY(%s) AND bucket = ANY(%s)
GROUP BY word ORDER BY similarity(word, %s) DESC, word LIMIT %s
"""
_FOUND = """
SELECT rows.search_index_id, rows.number, rows.chunk_id
FROM unnest(%(asked)s::uuid[], %(numbers)s::int[]) AS asked (search_index_id, number)
JOIN (SELECT * FROM knowledge_chunkterms WHERE tenant_id = %(tenant)s AND {valid}) AS rows
  ON rows.search_index_id = asked.search_index_id AND rows.number = asked.number
"""
_NUMBERS = "SELECT search_index_id, number FROM knowledge_chunkterms WHERE tenant_id = %(tenant)s AND {valid}"


@dataclass(frozen=True, slots=True)
class WordHit:
    """A passage found by words; `score` grows with number, rarity and frequency of the words that match."""

    chunk_id: UUID
    score: float


def find_by_words(*, region: Region, query: str, limit: int) -> list[WordHit]:
    """The best `limit` passages holding any word of the question, best first.

    Rarity and length are taken over all indexes of the region together. Inside the caller's tenant transaction.
    """
    tokens = read_tokens(query[:MAX_QUERY_CHARS])
    collection = _Collection.read(region.all_index_ids)
    if not tokens or not collection.segments:
        return []
    words = Reader(tokens, sorted(collection.languages)).query_words(tokens, MAX_WORDS)
    postings = collection.postings({term for word in words for term in word.terms})
    for term, share in _corrected(collection, [word for word in words if not postings.keys() & word.terms.keys()]):
        words.append(QueryWord(term, {term: share}))
        postings |= collection.postings({term} - postings.keys())
    scores = collection.score(words, postings)
    if region.permitted.only is not None and region.total <= _MASKED_UP_TO:
        scores = _masked(collection, scores, region)
    return list(_present(collection, scores, region, limit))


def _masked(collection: _Collection, scores: Scores, region: Region) -> Scores:
    """The scores of a few permitted chunks alone: the best of all would mostly be looked at for nothing."""
    kept = np.zeros_like(scores)
    for index_id, number in _fetch(_NUMBERS.format(valid=region.validity), region.parameters):
        block, place = divmod(number, BLOCK_SIZE)
        start = collection.starts.get((index_id, block))
        if start is not None:
            kept[start + place] = scores[start + place]
    return kept


def _corrected(collection: _Collection, unknown: Sequence[QueryWord]) -> Iterator[tuple[str, float]]:
    """Terms in place of words that nobody wrote."""
    for word in unknown:
        if may_be_misspelt(word.text):
            for term in corrections(word.text, collection.lookalikes(word.text)):
                yield term, _CORRECTED


Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Segment:
    id: UUID
    search_index_id: UUID
    block: int


@dataclass(frozen=True, slots=True)
class _Posting:
    start: int  # of the segment's block among the scores
    places: npt.NDArray[np.uint16]
    weights: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Collection:
    """The segments of the searched indexes, their blocks laid one after the other."""

    segments: Mapping[UUID, _Segment]
    starts: Mapping[tuple[UUID, int], int]
    chunk_count: int
    average_length: float
    languages: frozenset[str]

    @classmethod
    def read(cls, search_index_ids: Sequence[UUID]) -> _Collection:
        rows = _fetch(_SEGMENTS, [require_tenant_id(), list(search_index_ids)])
        segments = {row[0]: _Segment(row[0], row[1], row[2]) for row in rows}
        blocks = sorted({(segment.search_index_id, segment.block) for segment in segments.values()})
        chunk_count = sum(row[3] for row in rows)
        return cls(
            segments=segments,
            starts={block: position * BLOCK_SIZE for position, block in enumerate(blocks)},
            chunk_count=chunk_count,
            average_length=sum(row[4] for row in rows) / max(chunk_count, 1),
            languages=frozenset(language for row in rows for language in row[5]),
        )

    def postings(self, terms: set[str]) -> dict[str, list[_Posting]]:
        """Where each of the terms stands; terms that stand nowhere are left out."""
        found: dict[str, list[_Posting]] = {}
        if not terms:
            return found
        buckets = sorted({bucket_of(term) for term in terms})
        values = [require_tenant_id(), list(self.segments), buckets, sorted(terms)]
        for segment_id, term, places, weights in _fetch(_POSTINGS, values):
            segment = self.segments[segment_id]
            start = self.starts[segment.search_index_id, segment.block]
            found.setdefault(term, []).append(_Posting(start, read_places(places), read_weights(weights)))
        return found

    def lookalikes(self, word: str) -> list[tuple[str, int]]:
        """Words with the same first letter and about the same length, the likest by trigrams."""
        buckets = buckets_near(word, slips_allowed(word))
        values = [require_tenant_id(), list(self.segments), buckets, word, _LOOKALIKES]
        return [(other, int(count)) for other, count in _fetch(_LOOKALIKE_WORDS, values)]

    def score(self, words: Sequence[QueryWord], postings: Mapping[str, Sequence[_Posting]]) -> Scores:
        """BM25 of every chunk by its number, counted over all blocks; zero where no word stands."""
        scores: Scores = np.zeros(len(self.starts) * BLOCK_SIZE, dtype=np.float32)
        worth = worth_of_weights(self.average_length)
        for word in words:
            for term, share in word.terms.items():
                held = postings.get(term, ())
                weight = share * rarity(sum(len(posting.places) for posting in held), self.chunk_count)
                scaled = worth * np.float32(weight)
                for posting in held:
                    block = scores[posting.start : posting.start + BLOCK_SIZE]
                    # No place stands twice in a row, so that plain addition by index is right.
                    block[posting.places] += scaled[posting.weights]
        return scores


def _present(collection: _Collection, scores: Scores, region: Region, limit: int) -> Iterator[WordHit]:
    """The best chunks that may be found; more are looked at while too many of them are gone."""
    owners = {start: block for block, start in collection.starts.items()}
    found = 0
    for numbers in _best_first(scores, limit * 2):
        keys = [(*owners[number - number % BLOCK_SIZE], number % BLOCK_SIZE) for number in numbers]
        asked = [(index_id, block * BLOCK_SIZE + place) for index_id, block, place in keys]
        values = region.parameters | {
            "asked": [index_id for index_id, _ in asked],
            "numbers": [number for _, number in asked],
        }
        rows = _fetch(_FOUND.format(valid=region.validity), values)
        chunk_ids = {(index_id, number): chunk_id for index_id, number, chunk_id in rows}
        for key, number in zip(asked, numbers, strict=True):
            if key in chunk_ids:
                yield WordHit(chunk_ids[key], float(scores[number]))
                found += 1
                if found == limit:
                    return


def _best_first(scores: Scores, first: int) -> Iterator[list[int]]:
    """Numbers of the chunks with a score, best first, in batches that double. Uses the scores up."""
    wanted = first
    while best := _largest(scores, wanted):
        yield best
        scores[best] = 0
        wanted *= 2


def _largest(scores: Scores, count: int) -> list[int]:
    held = np.flatnonzero(scores)
    if len(held) > count:
        held = held[np.argpartition(scores[held], -count)[-count:]]
    # Equal scores in the order of their numbers, so that a question has one answer.
    return [int(number) for number in held[np.lexsort((held, -scores[held]))]]


def _fetch(statement: str, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[Any] = cursor.fetchall()
        return rows
