"""Passages that share words with the question, the rare words counting most.

PostgreSQL's own ranking knows no rarity: in "how do I rotate the signing key", *key* would weigh as much as
*rotate*. So each word is ranked by itself and weighted by how few passages of the searched bases hold it, as
BM25 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.retrieval.region import Region

MAX_WORDS = 16
MAX_QUERY_CHARS = 2_000
# Label D (text) and A (title, headings); the labels between are not used.
_LABEL_WEIGHTS = "{0.4, 0.4, 0.4, 1.0}"

_WORDS = """
SELECT lexeme, ts_lexize('english_stem', lexeme)
FROM unnest(to_tsvector('simple', %s)) ORDER BY positions[1], lexeme LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class WordHit:
    """A passage found by words; `score` grows with number, rarity and frequency of the words that match."""

    chunk_id: UUID
    score: float


def find_by_words(*, region: Region, query: str, limit: int) -> list[WordHit]:
    """The best `limit` passages holding any word of the question, best first.

    Inside the caller's tenant transaction; scans the terms of the region, because no index serves `@@` below
    row-level security.
    """
    words = _query_words(query)
    if not words or not region.total:
        return []
    values: dict[str, Any] = {f"word{number}": word for number, word in enumerate(words)}
    values |= region.parameters
    values |= {
        "any": " | ".join(words),
        "labels": _LABEL_WEIGHTS,
        "total": region.total,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_statement(len(words), region.rows_of("knowledge_chunkterms")), values)
        return [WordHit(chunk_id, float(score)) for chunk_id, score in cursor.fetchall()]


def _query_words(query: str) -> list[str]:
    """One tsquery per word of the question: as written or its stem. Stop words only if alone."""
    with connection.cursor() as cursor:
        cursor.execute(_WORDS, [query[:MAX_QUERY_CHARS], MAX_WORDS * 2])
        found = cursor.fetchall()
    telling = [(word, stems[0]) for word, stems in found if stems]
    return [_quoted(*pair) for pair in (telling or [(word, word) for word, _ in found])[:MAX_WORDS]]


def _quoted(word: str, stem: str) -> str:
    literals = ["'" + text.replace("\\", "\\\\").replace("'", "''") + "'" for text in dict.fromkeys((word, stem))]
    return "(" + " | ".join(literals) + ")"


def _statement(count: int, rows: str) -> str:
    numbers = range(count)
    ranks = ", ".join(f"ts_rank(%(labels)s, terms, %(word{n})s::tsquery) AS rank{n}" for n in numbers)
    holding = [f"count(*) FILTER (WHERE rank{n} > 0)" for n in numbers]
    weights = ", ".join(
        f"ln(1 + greatest(%(total)s - {holding[n]} + 0.5, 0.5) / ({holding[n]} + 0.5)) AS weight{n}" for n in numbers
    )
    score = " + ".join(f"rank{n} * weight{n}" for n in numbers)
    # Only numbered placeholders are put in; every word of the question travels as a parameter.
    return f"""
    WITH matching AS MATERIALIZED (
        SELECT chunk_id, {ranks} FROM {rows} AS rows WHERE terms @@ %(any)s::tsquery
    ), rarity AS (SELECT {weights} FROM matching)
    SELECT chunk_id, {score} AS score FROM matching, rarity ORDER BY score DESC, chunk_id LIMIT %(limit)s
    """  # noqa: S608 # see above
