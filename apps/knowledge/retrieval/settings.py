"""Which settings a search uses: those of its base, or the middle of several bases'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from statistics import mean
from uuid import UUID

from django.db import connection

from apps.knowledge.contracts import LOCAL_RERANKER, NO_RERANKER, RetrievalSettings
from parley.tenancy import require_tenant_id

DEFAULTS = RetrievalSettings()
_NAMES = [field.name for field in fields(RetrievalSettings)]
# Plain SQL, because composing the query cost a search more than running it.
_STORED = f"""
SELECT {", ".join(_NAMES)} FROM knowledge_storedretrievalsettings
WHERE tenant_id = %s AND knowledge_base_id = ANY(%s::uuid[])
"""  # noqa: S608 # names of ours


def settings_of(knowledge_base_ids: Sequence[UUID]) -> RetrievalSettings:
    """The settings for a search over these bases. Inside the caller's tenant transaction.

    Several bases make one list of results, so they share settings: weights and diversity are averaged, the most
    candidates, the lowest threshold and the longest sections win, and repeats are removed if one of them wants it.
    A rerank model reads the passages of bases that all chose it; otherwise the local one serves.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [require_tenant_id(), list(knowledge_base_ids)])
        stored = [RetrievalSettings(**dict(zip(_NAMES, row, strict=True))) for row in cursor.fetchall()]
    if len(stored) < len(set(knowledge_base_ids)):
        stored.append(DEFAULTS)
    return combined(stored)


def combined(settings: Sequence[RetrievalSettings]) -> RetrievalSettings:
    """One for several; at least one is given."""
    if len(settings) == 1:
        return settings[0]
    weights = [each.vector_weight for each in settings if each.vector_weight is not None]
    return RetrievalSettings(
        vector_weight=mean(weights) if len(weights) == len(settings) else None,
        candidate_count=max(each.candidate_count for each in settings),
        min_relevance=min(each.min_relevance for each in settings),
        removes_repeats=any(each.removes_repeats for each in settings),
        diversity=mean(each.diversity for each in settings),
        section_tokens=max(each.section_tokens for each in settings),
        reranker=_shared_reranker({each.reranker for each in settings}),
    )


def _shared_reranker(chosen: set[str]) -> str:
    if len(chosen) == 1:
        return chosen.pop()
    return LOCAL_RERANKER if chosen - {NO_RERANKER} else NO_RERANKER
