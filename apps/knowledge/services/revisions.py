"""Revisions: the numbers that tell what could be found when."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F

from apps.knowledge.models import KnowledgeBase
from parley.errors import NotFound


def begin_revision(knowledge_base_id: UUID) -> int:
    """The next revision of a base, which what is written in this transaction belongs to.

    Locks the base until the transaction ends: take it before any row of a document. Raises `NotFound`.
    """
    if not KnowledgeBase.objects.filter(id=knowledge_base_id).update(revision=F("revision") + 1):
        raise NotFound("There is no such knowledge base.")
    revision: int = KnowledgeBase.objects.values_list("revision", flat=True).get(id=knowledge_base_id)
    return revision
