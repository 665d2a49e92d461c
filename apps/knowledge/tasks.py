"""Jobs of the knowledge app: ids in, one call each."""

from uuid import UUID

from apps.knowledge.services import documents, indexing, sweeping
from parley.jobs import platform_task, tenant_task
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
