"""Jobs of the knowledge app: ids in, one call each."""

from uuid import UUID

from apps.knowledge.services import chunks, documents, indexing, sweeping
from parley.errors import NotFound
from parley.jobs import job, platform_task, tenant_task
from parley.jobs.context import JobContext
from parley.jobs.outcomes import CannotPass, MayPass
from parley.llm import LlmError
from parley.tenancy import tenant_tx


@tenant_task(
    name="knowledge.index_document",
    soft_time_limit=840,
    time_limit=900,
    safe_to_repeat="a second delivery finds the lease taken or the work done",
)
def index_document(*, document_id: str) -> None:
    """Index one document. Idempotent: a second delivery finds the lease taken or the work done."""
    indexing.index_document(document_id=UUID(document_id))


@tenant_task(
    name="knowledge.purge_document",
    soft_time_limit=120,
    time_limit=150,
    safe_to_repeat="the second time nothing is left",
)
def purge_document(*, document_id: str) -> None:
    """Erase one deleted document. Idempotent: the second time nothing is left."""
    with tenant_tx():
        documents.purge_document(document_id=UUID(document_id))


@platform_task(
    name="knowledge.sweep_documents",
    soft_time_limit=30,
    time_limit=45,
    safe_to_repeat="it only looks and announces",
)
def sweep_documents() -> None:
    """Announce documents that nobody is working on. Idempotent."""
    sweeping.announce_open_documents()


@job(
    kind="knowledge.complete_vectors",
    title="Understand edited chunks",
    safe_to_repeat="chunks that have their vectors are left alone",
)
def complete_vectors(context: JobContext) -> None:
    """Give the chunks of a document that were changed by hand their vectors. Idempotent."""
    try:
        chunks.complete_document_vectors(document_id=context.subject())
    except NotFound:
        return
    except LlmError as problem:
        raise (MayPass if problem.is_retryable else CannotPass)(problem.sentence) from problem
