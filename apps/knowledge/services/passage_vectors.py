"""Vectors of passages: equal text is embedded once per tenant, whichever document or version it stands in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.gateway.services import embeddings
from apps.knowledge.retrieval.literals import halfvec_literal
from parley.tenancy import require_tenant_id, tenant_tx

_KNOWN = """
SELECT DISTINCT ON (content_key) content_key, embedding::text FROM knowledge_chunkvector
WHERE tenant_id = %s AND content_key = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class PassageVector:
    """A vector as PostgreSQL reads it, and the name of the text and model that it came from."""

    content_key: UUID
    literal: str


def content_key(model: str, text: str) -> UUID:
    """The name of a text as one model embeds it: 128 bits of SHA-256."""
    return UUID(bytes=hashlib.sha256(f"{model}\0{text}".encode()).digest()[:16])


def find_known_vectors(keys: Sequence[UUID]) -> dict[UUID, PassageVector]:
    """Vectors of the ambient tenant that exist already, by content key. Opens its own transaction."""
    with tenant_tx(), connection.cursor() as cursor:
        cursor.execute(_KNOWN, [require_tenant_id(), list(keys)])
        return {key: PassageVector(key, literal) for key, literal in cursor.fetchall()}


def embed_passages(texts: Sequence[tuple[UUID, str]], *, model_id: UUID | None = None) -> dict[UUID, PassageVector]:
    """Embed texts in one call to a model, by content key. Raises as `embeddings.embed` does."""
    vectors = embeddings.embed(texts=[text for _, text in texts], kind="passage", model_id=model_id)
    return {key: PassageVector(key, halfvec_literal(vector)) for (key, _), vector in zip(texts, vectors, strict=True)}
