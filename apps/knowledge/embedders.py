"""Which model makes the vectors of an index: vectors of two models have nothing in common and never meet.

An index keeps the model it was begun with, by id, name and dimensions. What the organisation routes search to
decides only for an index that has no vectors yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.gateway.services import embeddings
from apps.knowledge.models import SearchIndex
from apps.knowledge.models.search_index import MAX_DIMENSIONS
from parley.errors import Invalid
from parley.tenancy import tenant_tx


@dataclass(frozen=True, slots=True)
class Embedder:
    """A model of the gateway, by its own name, and the length of its vectors.

    Without an id it is what search is routed to, as in indexes of before models were kept.
    """

    model_id: UUID | None
    name: str
    dimensions: int


def embedder_of(search_index_id: UUID) -> Embedder:
    """The model that an index is written with; an index without vectors is given the one it asked for.

    Opens its own transactions; may ask a provider's model once for the length of its vectors. Raises as
    `embeddings.embed` does; `Invalid` for vectors that are too long to be stored.
    """
    with tenant_tx():
        index = SearchIndex.objects.get(id=search_index_id)
    if not index.embedding_model:
        facts = embeddings.describe(index.embedding_model_id)
        if facts.dimensions > MAX_DIMENSIONS:
            raise Invalid(
                f"{facts.label} makes vectors of {facts.dimensions:,} numbers; at most {MAX_DIMENSIONS:,} can be kept."
            )
        with tenant_tx():
            SearchIndex.objects.filter(id=index.id, embedding_model="").update(
                embedding_model=facts.name, embedding_model_id=facts.model_id, dimensions=facts.dimensions
            )
            index.refresh_from_db()
    return Embedder(index.embedding_model_id, index.embedding_model, index.dimensions)
