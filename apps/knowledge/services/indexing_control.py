"""What people may do to indexing that waits or runs: cancel one document, let a whole base wait, let it go on."""

from __future__ import annotations

from uuid import UUID

from apps.knowledge.job_kinds import INDEX_JOB
from apps.knowledge.models import Document, KnowledgeBase
from apps.knowledge.selectors import get_document, get_knowledge_base
from apps.tenants.services.audit import record
from parley.errors import Conflict
from parley.jobs import control
from parley.jobs.models import Job
from parley.jobs.selectors import paused_groups


def cancel_indexing(*, document_id: UUID) -> Document:
    """Stop indexing a document; it ends as failed, with what can be found of it. Raises `NotFound`, `Conflict`."""
    document = get_document(document_id)
    # Jobs are locked before their documents, here as in every step of a run.
    if not control.cancel_jobs(Job.objects.filter(kind=INDEX_JOB, subject_id=document.id)):
        raise Conflict(f"“{document.name}” is not being indexed.")
    record(action="document.indexing_cancelled", target=document)
    return get_document(document_id)


def pause_indexing(*, knowledge_base_id: UUID) -> KnowledgeBase:
    """Let a base's documents wait, also those to come. What is indexed stays found. Safe to repeat.

    Raises `NotFound`.
    """
    base = get_knowledge_base(knowledge_base_id)
    if not paused_groups(INDEX_JOB, [base.id]):
        control.pause(kind=INDEX_JOB, group_id=base.id)
        record(action="knowledge_base.indexing_paused", target=base)
    return get_knowledge_base(knowledge_base_id)


def resume_indexing(*, knowledge_base_id: UUID) -> KnowledgeBase:
    """Let a base's documents be indexed again, from the last step each had finished. Safe to repeat.

    Raises `NotFound`.
    """
    base = get_knowledge_base(knowledge_base_id)
    if paused_groups(INDEX_JOB, [base.id]):
        control.resume(kind=INDEX_JOB, group_id=base.id)
        record(action="knowledge_base.indexing_resumed", target=base)
    return get_knowledge_base(knowledge_base_id)
