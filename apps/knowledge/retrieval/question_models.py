"""Which models have to read a question before some bases can be searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.embedders import Embedder
from parley.tenancy import require_tenant_id

# Plain SQL, and one statement: it stands on the way of every first word.
_MODELS = """
SELECT index.embedding_model_id, index.embedding_model, index.dimensions, NULL
FROM knowledge_searchindex AS index
WHERE index.tenant_id = %(tenant)s AND index.embedding_model <> '' AND (
    index.knowledge_base_id = ANY(%(bases)s::uuid[]) AND index.state = 'active'
    OR index.id IN (
        SELECT search_index_id FROM knowledge_snapshot WHERE tenant_id = %(tenant)s AND id = ANY(%(snapshots)s::uuid[])
    ))
UNION
SELECT NULL, NULL, NULL, coalesce(max(phrasing.model), '')
FROM knowledge_entry AS entry
LEFT JOIN knowledge_entryphrasing AS phrasing
    ON phrasing.tenant_id = entry.tenant_id AND phrasing.entry_id = entry.id
WHERE entry.tenant_id = %(tenant)s AND entry.knowledge_base_id = ANY(%(bases)s::uuid[])
    AND entry.kind = 'curated' AND entry.approved_at IS NOT NULL
HAVING count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class QuestionModels:
    """The models of the searched indexes, and the one that the approved questions were embedded with.

    `curated` is None where nothing is approved, and empty where no approved question has a vector.
    """

    embedders: frozenset[Embedder]
    curated: str | None


def question_models(knowledge_base_ids: Sequence[UUID], snapshot_ids: Sequence[UUID] = ()) -> QuestionModels:
    """The models that a search of these bases needs the question from. Inside the caller's tenant transaction."""
    values: dict[str, Any] = {
        "tenant": require_tenant_id(),
        "bases": list(knowledge_base_ids),
        "snapshots": list(snapshot_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_MODELS, values)
        rows = cursor.fetchall()
    return QuestionModels(
        frozenset(Embedder(*row[:3]) for row in rows if row[3] is None),
        next((row[3] for row in rows if row[3] is not None), None),
    )
