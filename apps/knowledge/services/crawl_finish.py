"""The end of a sync: what is gone is deleted, if the run as a whole can be believed."""

from __future__ import annotations

from uuid import UUID

import structlog
from django.db.models import F, Q, QuerySet

from apps.knowledge.crawl.outcome import objection_to_losses
from apps.knowledge.crawl.scope import Scope
from apps.knowledge.models import Document, SourcePage, SourceRun
from apps.knowledge.services import crawl_rows as rows
from apps.knowledge.services.crawl_rows import Claim
from apps.knowledge.services.documents import delete_documents
from apps.knowledge.source_enums import PageOutcome, PageState, RunState, SourceKind
from apps.tenants.services.audit import record
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

_MAX_TOLD = 50


def finish_run(claim: Claim, scope: Scope, *, is_capped: bool = False) -> None:
    """Close a run that has nothing left to visit, or may visit no more. Raises `Superseded`.

    Missing are pages that answered 404 or 410 or are kept out now, and, in a run that was not capped, pages that
    nothing led to any more. Pages that this source's own settings no longer take go without counting as a loss.
    """
    with tenant_tx():
        rows.keep(claim)
        run = SourceRun.objects.get(id=claim.run_id)
        problem = _objection_to_start(claim)
        current = SourcePage.objects.filter(source=claim.source, state=PageState.CURRENT)
        said = Q(visited_in=run, outcome__in=[PageOutcome.GONE, PageOutcome.SKIPPED])
        missing = list(current.filter(said))
        unwanted: list[SourcePage] = []
        if not is_capped:
            for page in current.exclude(visited_in=run).iterator():
                (unwanted if scope.objection(page.address) else missing).append(page)
        if not problem and not run.accepts_losses:
            problem = objection_to_losses(known=run.known_count - len(unwanted), lost=len(missing))
        if problem:
            rows.close_run(claim, RunState.FAILED, problem)
            return
        gone = missing + unwanted
        _let_go(claim, gone)
        message = _capped_sentence(claim) if is_capped else ""
        rows.close_run(claim, RunState.COMPLETED, message, is_capped=is_capped, gone_count=F("gone_count") + len(gone))
        _record(run.id, gone)
    log.info("source.run_completed", run_id=str(claim.run_id), gone=len(gone))


def _objection_to_start(claim: Claim) -> str:
    """Why a run that did not get past its start is not believed; empty when it did."""
    if claim.kind == SourceKind.SITEMAP:
        return ""
    first = SourcePage.objects.filter(source=claim.source, depth=0, visited_in=claim.run_id).order_by("id")
    outcomes = dict(first.values_list("outcome", "reason"))
    if outcomes.keys() & {PageOutcome.NEW, PageOutcome.CHANGED, PageOutcome.UNCHANGED}:
        return ""
    if PageOutcome.FAILED in outcomes:
        return f"{outcomes[PageOutcome.FAILED]} Nothing was deleted."
    if PageOutcome.GONE in outcomes and claim.kind == SourceKind.CRAWL:
        return "The start address is gone. Nothing was deleted. Correct the address of this source."
    return ""


def _capped_sentence(claim: Claim) -> str:
    return (
        f"Stopped at this source’s limit of {claim.source.max_pages:,} pages although more were found. "
        "Raise the limit to take them in."
    )


def _let_go(claim: Claim, pages: list[SourcePage]) -> None:
    """Delete the documents of pages at once; one that another source still has is left to that one."""
    ids: list[UUID] = [page.document_id for page in pages if page.document_id is not None]
    others: QuerySet[SourcePage] = SourcePage.objects.filter(document_id__in=ids, state=PageState.CURRENT)
    shared: dict[UUID, UUID] = dict(others.exclude(source=claim.source).values_list("document_id", "source_id"))
    if ids:
        delete_documents(
            knowledge_base_id=claim.source.knowledge_base_id,
            document_ids=[document_id for document_id in ids if document_id not in shared],
        )
    for document_id, source_id in shared.items():
        Document.objects.filter(id=document_id).update(source=source_id)
    SourcePage.objects.filter(id__in=[page.id for page in pages]).update(
        state=PageState.GONE, document=None, text_hash="", etag="", last_modified="", outcome=PageOutcome.GONE
    )


def _record(run_id: UUID, gone: list[SourcePage]) -> None:
    run = SourceRun.objects.select_related("source").get(id=run_id)
    counts = {name: getattr(run, f"{name}_count") for name in PageOutcome.values}
    record(
        action="source.synced",
        target=run.source,
        after={**counts, "gone_pages": [page.address for page in gone[:_MAX_TOLD]]},
    )
