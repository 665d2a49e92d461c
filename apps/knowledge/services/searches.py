"""The history of real searches: written when an answer is stored, dismissed by editors, forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.utils import timezone

from apps.knowledge.models import KnowledgeBase, RecordedSearch
from apps.knowledge.selectors import get_knowledge_base
from apps.tenants.services.audit import record
from parley.errors import NotFound
from parley.jobs import enqueue
from parley.llm import LlmError
from parley.llm.local_embedder import embed_short
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(days=90)
_LONGEST_QUESTION = 2_000  # characters


def record_search(
    *,
    knowledge_base_ids: Sequence[UUID],
    question: str,
    found_count: int,
    best_relevance: float | None,
    is_refusal: bool,
    conversation_id: UUID,
    message_id: UUID,
) -> int:
    """Remember what an answer searched for, once for each base that still exists; returns in how many.

    Blocking; opens its own transaction. Safe to repeat: an answer is remembered once.
    """
    question = question.strip()[:_LONGEST_QUESTION]
    is_gap = is_refusal or not found_count
    embedding = _embedding(question) if is_gap else None
    with tenant_tx():
        bases = KnowledgeBase.objects.filter(id__in=knowledge_base_ids)
        rows = [
            RecordedSearch(
                knowledge_base_id=base_id,
                question=question,
                found_count=found_count,
                best_relevance=best_relevance,
                is_refusal=is_refusal,
                conversation_id=conversation_id,
                message_id=message_id,
                embedding=embedding,
            )
            for base_id in bases.values_list("id", flat=True)
        ]
        RecordedSearch.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def dismiss_searches(*, knowledge_base_id: UUID, search_ids: Sequence[UUID]) -> int:
    """Take questions out of the answer gaps of a base, also when they are asked again. Returns how many rows.

    Inside the caller's transaction; safe to repeat. Raises `NotFound` when the base has none of them.
    """
    base = get_knowledge_base(knowledge_base_id)
    known = RecordedSearch.objects.filter(knowledge_base=base, id__in=search_ids)
    if not known.exists():
        raise NotFound("There is no such question.")
    count: int = known.filter(dismissed_at=None).update(dismissed_at=timezone.now())
    if count:
        # The words themselves stay out of the audit log: they are people's own.
        record(action="gap.dismissed", target=base, after={"questions": count})
    return count


def restore_searches(*, knowledge_base_id: UUID) -> int:
    """Bring back every question that was dismissed in a base; returns how many. Raises `NotFound`."""
    base = get_knowledge_base(knowledge_base_id)
    dismissed = RecordedSearch.objects.filter(knowledge_base=base, dismissed_at__isnull=False)
    count: int = dismissed.update(dismissed_at=None)
    if count:
        record(action="gap.restored", target=base, after={"questions": count})
    return count


def sweep_searches() -> int:
    """Ask every tenant that has rows older than `KEPT_FOR` to forget them; returns how many tenants. Idempotent."""
    old = RecordedSearch.across_tenants.filter(created_at__lt=timezone.now() - KEPT_FOR)
    tenant_ids = list(old.order_by().values_list("tenant_id", flat=True).distinct())
    for tenant_id in tenant_ids:
        enqueue("knowledge.forget_searches", tenant_id=tenant_id)
    return len(tenant_ids)


def forget_searches() -> int:
    """Delete the ambient tenant's rows older than `KEPT_FOR`; returns how many. Opens its own transaction."""
    with tenant_tx():
        deleted, _ = RecordedSearch.objects.filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    return deleted


def _embedding(question: str) -> list[float] | None:
    """Mostly known from the search a moment ago. Without it, only the same words are put together."""
    try:
        vector: list[float] = embed_short((question,))[0].tolist()
    except LlmError as problem:
        log.warning("search.not_embedded", reason=problem.sentence)
        return None
    return vector
