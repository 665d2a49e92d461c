"""Jobs of the knowledge app: ids in, one call each."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from apps.knowledge import selectors
from apps.knowledge.job_kinds import INDEX_JOB
from apps.knowledge.services import (
    chunks,
    crawling,
    documents,
    entries,
    indexing,
    rebuilding,
    searches,
    source_sweeping,
    sources,
)
from apps.knowledge.services.sources import SYNC_JOB
from parley.errors import NotFound
from parley.jobs import job, platform_task, tenant_task
from parley.jobs.context import JobContext
from parley.jobs.outcomes import CannotPass, MayPass
from parley.jobs.submit import submit
from parley.llm import LlmError
from parley.tenancy import tenant_tx


@job(
    kind=INDEX_JOB,
    title="Index a document",
    safe_to_repeat="chunks come out the same, and committed batches are not embedded again",
    seconds=780,
    yields=True,
    on_change=indexing.follow,
    describe=selectors.describe_documents,
)
def index_document(run: JobContext) -> None:
    """Make one document findable."""
    indexing.carry_out(run)


@job(
    kind=documents.PURGE_JOB,
    title="Erase a document",
    safe_to_repeat="the second time nothing is left",
    seconds=120,
)
def purge_document(run: JobContext) -> None:
    """Erase one deleted document."""
    with tenant_tx():
        documents.purge_document(document_id=run.subject())


@job(
    kind=SYNC_JOB,
    title="Sync a source",
    safe_to_repeat="pages that are settled are not visited again in one sync",
    seconds=600,
    max_tries=4,
    yields=True,
    on_change=sources.follow_job,
    describe=sources.describe_runs,
)
def sync_source(context: JobContext) -> None:
    """Work on a sync until it is over or its time is; what remains is the next job's."""
    run_id = context.subject()
    pause = crawling.run_source(run_id=run_id, checkpoint=lambda _: context.checkpoint())
    if pause is not None:
        with tenant_tx():
            submit(SYNC_JOB, subject_id=run_id, group_id=context.group_id, run_after=timezone.now() + pause)


@tenant_task(
    name="knowledge.start_due_source",
    soft_time_limit=30,
    time_limit=45,
    safe_to_repeat="each instant starts one sync at most",
)
def start_due_source(*, source_id: str, fire_at: str) -> None:
    """Start the sync that was due at an instant. Idempotent: each instant starts one at most."""
    with tenant_tx():
        sources.start_due_run(source_id=UUID(source_id), fire_at=datetime.fromisoformat(fire_at))


@platform_task(
    name="knowledge.start_due_sources",
    soft_time_limit=30,
    time_limit=45,
    safe_to_repeat="it only looks and asks; the instant decides",
)
def start_due_sources() -> None:
    """Ask for a sync of every source whose time has come. Idempotent."""
    source_sweeping.start_due_sources()


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


@job(
    kind=rebuilding.BUILD_JOB,
    title="Build an index",
    safe_to_repeat="every document is placed whole, and the switch is one transaction",
    seconds=780,
    yields=True,
    on_change=rebuilding.follow,
    describe=rebuilding.describe_indexes,
)
def build_index(run: JobContext) -> None:
    """Fill another index of a base and switch over to it."""
    rebuilding.carry_out(run)


@job(
    kind="knowledge.embed_phrasings",
    title="Understand an approved question",
    safe_to_repeat="phrasings that have their vectors are left alone",
)
def embed_phrasings(context: JobContext) -> None:
    """Give the ways to ask an approved question their vectors. Idempotent."""
    try:
        entries.embed_phrasings(entry_id=context.subject())
    except LlmError as problem:
        raise (MayPass if problem.is_retryable else CannotPass)(problem.sentence) from problem


@platform_task(
    name="knowledge.sweep_searches",
    soft_time_limit=30,
    time_limit=45,
    safe_to_repeat="it only looks and asks",
)
def sweep_searches() -> None:
    """Have every organisation forget the questions that were kept for long enough. Idempotent."""
    searches.sweep_searches()


@tenant_task(
    name="knowledge.forget_searches",
    soft_time_limit=60,
    time_limit=90,
    safe_to_repeat="what is deleted is not there the second time",
)
def forget_searches() -> None:
    """Delete the questions of one organisation that were kept for long enough. Idempotent."""
    searches.forget_searches()
