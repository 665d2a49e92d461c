"""Approved answers: whoever asks their question gets their words, whatever the documents say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.contracts import Passage
from apps.knowledge.ingest.question_answer import plain_question
from apps.knowledge.retrieval.permitted import Permitted
from parley.tenancy import require_tenant_id

# Cosine of two questions, by the built-in embedder. With 4 phrasings of each of CLINC-150's intents stored, 2,000
# questions (500 of them out of scope) met no wrong one from 0.90 on, one of 134 at 0.86. Among 206 English COVID-19
# FAQ questions the last pair that asks different things ("should I …" and "when should I be tested …") has 0.926.
CLOSE_ENOUGH = 0.93
_CLOSEST = """
SELECT entry.answer, document.title, document.id, chunk.id, chunk.document_version_id, entry.knowledge_base_id,
       CASE WHEN phrasing.plain = %(plain)s THEN 1.0
            WHEN phrasing.model = %(model)s THEN -(phrasing.embedding <#> %(vector)s::halfvec)
       END AS likeness
FROM knowledge_entry AS entry
JOIN knowledge_entryphrasing AS phrasing ON phrasing.tenant_id = entry.tenant_id AND phrasing.entry_id = entry.id
JOIN knowledge_document AS document
  ON document.tenant_id = entry.tenant_id AND document.id = entry.document_id AND document.deleted_at IS NULL
JOIN knowledge_searchindex AS index
  ON index.tenant_id = entry.tenant_id AND index.knowledge_base_id = entry.knowledge_base_id AND index.state = 'active'
JOIN LATERAL (
    SELECT id, document_version_id FROM knowledge_chunk
    WHERE tenant_id = entry.tenant_id AND document_id = document.id AND search_index_id = index.id
      AND valid_to IS NULL AND is_enabled ORDER BY ordinal LIMIT 1
) AS chunk ON true
WHERE entry.tenant_id = %(tenant)s AND entry.knowledge_base_id = ANY(%(bases)s) AND {documents}
  AND entry.kind = 'curated' AND entry.approved_at IS NOT NULL
ORDER BY likeness DESC NULLS LAST, entry.id LIMIT 1
"""


def find_curated(
    *,
    knowledge_base_ids: Sequence[UUID],
    permitted: Permitted,
    question: str,
    vector: str | None,
    model: str = "",
) -> Passage | None:
    """The approved answer to a question that is asked in the same words or nearly so, if there is one.

    One that is not permitted is left out before the best is chosen, so that it hides no other.

    `vector` is the question's as a halfvec literal, made by `model`; without one only the same words count. Inside
    the caller's tenant transaction.
    """
    values: dict[str, Any] = {
        **permitted.values,
        "tenant": require_tenant_id(),
        "bases": list(knowledge_base_ids),
        "plain": plain_question(question),
        "vector": vector,
        "model": model if vector is not None else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLOSEST.format(documents=permitted.condition("document.id")), values)
        row = cursor.fetchone()
    if row is None or row[-1] is None or float(row[-1]) < CLOSE_ENOUGH:
        return None
    answer, title, document_id, chunk_id, version_id, base_id, likeness = row
    return Passage(
        chunk_id=chunk_id,
        document_id=document_id,
        document_version_id=version_id,
        knowledge_base_id=base_id,
        title=title,
        text=answer,
        score=1.0,
        location="approved answer",
        headings=(),
        similarity=round(float(likeness), 4),
        matches_words=True,
        is_curated=True,
    )


def with_curated(curated: Passage | None, found: Sequence[Passage], limit: int) -> list[Passage]:
    """The approved answer first, and the passages without its own."""
    if curated is None:
        return list(found)
    others = [passage for passage in found if passage.document_id != curated.document_id]
    return [curated, *others][:limit]
