"""Turns a visit into rows: the page, its document, the pages it leads to, all in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from apps.knowledge.crawl.addresses import external_id_of, identity
from apps.knowledge.crawl.traps import shape_of
from apps.knowledge.models import Document, KnowledgeBase, Source, SourcePage
from apps.knowledge.services import crawl_rows as rows
from apps.knowledge.services.crawl_rows import Claim
from apps.knowledge.services.documents import add_document
from apps.knowledge.services.external import WebOrigin
from apps.knowledge.services.page_visit import Visit
from apps.knowledge.source_enums import PageOutcome, PageState
from parley.errors import Conflict, Problem
from parley.tenancy import tenant_tx

_REMOVED = "Its document was deleted by hand, so it stays out."


def settle(claim: Claim, page_id: UUID, visit: Visit, followed: Sequence[str], canonical: str) -> PageOutcome:
    """Write what came of visiting a page, and queue the addresses that follow from it. Raises `Superseded`.

    A page that was moved takes its document along. `canonical` is the address to go to instead, or empty.
    """
    with tenant_tx():
        rows.keep(claim)
        # Who changes the source's tags carries them to its pages: that waits for this page, or this page for it.
        tags = (
            Source.objects.select_for_update(no_key=True).values_list("access_tags", flat=True).get(id=claim.source.id)
        )
        page = SourcePage.objects.select_related("document").get(id=page_id)
        rows.put_in_frontier(claim, followed, depth=page.depth + 1)
        if identity(visit.address) != page.key:
            target = _target_of(claim, page, visit.address)
            rows.close_page(claim, page, PageOutcome.SKIPPED, f"It leads to {visit.address}.")
            if target.visited_in_id == claim.run_id:
                return PageOutcome.SKIPPED
            page = target
        page.links = list(visit.links) if visit.kind in ("read", "left_out") else page.links
        if canonical:
            rows.put_in_frontier(claim, [canonical], depth=page.depth)
            _hand_over(claim, page, SourcePage.objects.get(source=claim.source, key=identity(canonical)))
            outcome, reason = PageOutcome.SKIPPED, f"It names {canonical} as its address."
        else:
            outcome, reason = _apply(claim, page, visit, tuple(tags))
        rows.close_page(claim, page, outcome, reason)
        return outcome


def _target_of(claim: Claim, page: SourcePage, address: str) -> SourcePage:
    """The page a redirect leads to, which takes over the document of the one left behind."""
    target, _ = SourcePage.objects.select_related("document").get_or_create(
        source=claim.source,
        key=identity(address),
        defaults={"address": address, "shape": shape_of(address), "depth": page.depth},
    )
    _hand_over(claim, page, target)
    found: SourcePage = target
    return found


def _hand_over(claim: Claim, old: SourcePage, new: SourcePage) -> None:
    """Let a page that moved keep its document, unless its new address has one already."""
    document = old.document
    is_ours = old.state == PageState.CURRENT and document is not None and document.deleted_at is None
    if document is None or not is_ours or new.state == PageState.CURRENT or new.visited_in_id == claim.run_id:
        return
    # The base first, as whoever indexes does: see `revisions.begin_revision`.
    KnowledgeBase.objects.select_for_update(no_key=True).get(id=document.knowledge_base_id)
    alive = Document.objects.filter(knowledge_base_id=document.knowledge_base_id, deleted_at=None)
    external_id = external_id_of(new.address)
    if alive.filter(external_id=external_id).exists():
        return
    document.external_id, document.url = external_id, new.address
    document.save(update_fields=["external_id", "url", "updated_at"])
    new.document, new.state, new.text_hash, new.fingerprint = (
        document,
        PageState.CURRENT,
        old.text_hash,
        old.fingerprint,
    )
    new.save(update_fields=["document", "state", "text_hash", "fingerprint"])
    old.document, old.state, old.etag, old.last_modified = None, PageState.SKIPPED, "", ""
    old.save(update_fields=["document", "state", "etag", "last_modified"])


def _apply(claim: Claim, page: SourcePage, visit: Visit, access_tags: tuple[str, ...]) -> tuple[PageOutcome, str]:
    """What the visit means for a page and its document."""
    is_current = page.state == PageState.CURRENT
    if visit.kind == "gone":
        if not is_current:
            # A link that never led anywhere is the site's affair; an address that somebody typed is theirs.
            return (PageOutcome.FAILED if rows.is_start(claim, page) else PageOutcome.SKIPPED), visit.sentence
        return PageOutcome.GONE, visit.sentence
    if visit.kind == "failed":
        return PageOutcome.FAILED, visit.sentence
    if visit.kind == "left_out":
        return PageOutcome.SKIPPED, visit.sentence
    page.last_seen_at = timezone.now()
    if page.state == PageState.REMOVED or (is_current and (page.document is None or page.document.deleted_at)):
        page.state = PageState.REMOVED
        return PageOutcome.SKIPPED, _REMOVED
    if visit.kind == "not_modified":
        return PageOutcome.UNCHANGED, ""
    page.etag, page.last_modified = visit.etag, visit.last_modified
    if is_current and page.text_hash == visit.text_hash:
        return PageOutcome.UNCHANGED, ""
    return _take_in(claim, page, visit, access_tags)


def _take_in(claim: Claim, page: SourcePage, visit: Visit, access_tags: tuple[str, ...]) -> tuple[PageOutcome, str]:
    """Make the page's content its document's next version, or its first."""
    known = page.document.metadata if page.document is not None else {}
    language = {"language": visit.language} if visit.language else {}
    try:
        document = add_document(
            knowledge_base_id=claim.source.knowledge_base_id,
            name=visit.name,
            content=visit.content,
            title=visit.title,
            external_id=external_id_of(page.address),
            metadata={**known, **claim.source.metadata, **language},
            origin=WebOrigin(url=page.address, source_id=claim.source.id, access_tags=access_tags),
        )
    except Conflict as problem:
        return PageOutcome.SKIPPED, problem.detail
    except Problem as problem:
        return PageOutcome.FAILED, problem.detail
    is_new = page.state != PageState.CURRENT
    page.document, page.state = document, PageState.CURRENT
    page.text_hash, page.fingerprint = visit.text_hash, visit.fingerprint
    return (PageOutcome.NEW if is_new else PageOutcome.CHANGED), ""
