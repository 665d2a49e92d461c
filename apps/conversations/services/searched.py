"""Leaves a trace of what an answer searched for, after its readers have all of it."""

from __future__ import annotations

import structlog

from apps.assistants.contracts import Retrieved
from apps.assistants.runtime import is_refusal
from apps.conversations.enums import GenerationStatus
from apps.conversations.services.generations import Outcome
from apps.conversations.services.jobs import Job
from apps.knowledge.services.searches import record_search
from parley.db.threads import in_thread

log = structlog.get_logger(__name__)


async def record_searched(job: Job, retrieved: Retrieved | None, outcome: Outcome) -> None:
    """Record the search of an answer that a published assistant completed. Never raises: nobody waits for it."""
    if retrieved is None or retrieved.query is None or outcome.status != GenerationStatus.COMPLETED:
        return
    # A draft is its editor's, who tries things out.
    if job.spec.version_id is None:
        return
    relevances = [source.relevance for source in retrieved.sources if source.relevance is not None]
    try:
        await in_thread(
            record_search,
            knowledge_base_ids=job.spec.knowledge_base_ids,
            question=retrieved.query,
            found_count=len(retrieved.sources),
            best_relevance=max(relevances, default=None),
            is_refusal=is_refusal(outcome.text, job.spec.refusal),
            conversation_id=job.conversation_id,
            message_id=job.message_id,
        )
    except Exception:
        log.exception("search.not_recorded", generation_id=str(job.generation_id))
