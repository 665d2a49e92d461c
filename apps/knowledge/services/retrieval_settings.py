"""Changing how a knowledge base is searched."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from apps.gateway import selectors as gateway
from apps.gateway.enums import ModelKind
from apps.knowledge.contracts import (
    LOCAL_RERANKER,
    MAX_CANDIDATES,
    MAX_SECTION_TOKENS,
    MIN_CANDIDATES,
    NO_RERANKER,
    RetrievalSettings,
)
from apps.knowledge.models import StoredRetrievalSettings
from apps.knowledge.retrieval.settings import settings_of
from apps.knowledge.selectors import get_knowledge_base
from apps.tenants.services.audit import record
from parley.errors import Invalid

MAX_DIVERSITY = 0.9


def list_rerankers() -> list[tuple[str, str]]:
    """What can put candidates in order once more, with its name. Inside the caller's tenant transaction."""
    models = [(str(model_id), label) for model_id, label in gateway.list_choices(ModelKind.RERANK)]
    return [(NO_RERANKER, "None"), (LOCAL_RERANKER, "Local, on this machine"), *models]


def checked(settings: RetrievalSettings) -> RetrievalSettings:
    """The settings themselves. Raises `Invalid` with a sentence for each one that makes no sense.

    Inside the caller's tenant transaction.
    """
    errors: dict[str, list[str]] = {}
    weight = settings.vector_weight
    if weight is not None and not 0.0 <= weight <= 1.0:
        errors["vector_weight"] = ["The weight of meaning lies between 0 (words only) and 1 (meaning only)."]
    if not MIN_CANDIDATES <= settings.candidate_count <= MAX_CANDIDATES:
        errors["candidate_count"] = [f"Consider between {MIN_CANDIDATES} and {MAX_CANDIDATES} passages each way."]
    if not 0.0 <= settings.min_relevance <= 1.0:
        errors["min_relevance"] = ["The threshold lies between 0 (everything is found) and 1."]
    if not 0.0 <= settings.diversity <= MAX_DIVERSITY:
        errors["diversity"] = [f"Diversity lies between 0 (best first) and {MAX_DIVERSITY}."]
    if not 0 <= settings.section_tokens <= MAX_SECTION_TOKENS:
        errors["section_tokens"] = [f"Give between 0 (the passage alone) and {MAX_SECTION_TOKENS} tokens."]
    if settings.reranker not in {name for name, _ in list_rerankers()}:
        errors["reranker"] = ["Choose none, the local one, or a rerank model that is switched on."]
    if errors:
        raise Invalid("The search settings were not saved.", errors=errors)
    return settings


def update_retrieval_settings(*, knowledge_base_id: UUID, changes: dict[str, Any]) -> RetrievalSettings:
    """Change what is given, by the names of `RetrievalSettings`; the next search uses it. Safe to repeat.

    Inside the caller's transaction. Raises `NotFound`, `Invalid`.
    """
    base = get_knowledge_base(knowledge_base_id)
    before = settings_of([base.id])
    after = checked(replace(before, **changes))
    if after != before:
        StoredRetrievalSettings.objects.update_or_create(knowledge_base=base, defaults=asdict(after))
        record(action="knowledge_base.retrieval_changed", target=base, before=asdict(before), after=asdict(after))
    return after
