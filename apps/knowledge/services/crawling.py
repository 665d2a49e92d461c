"""Syncs a source: from an address to documents, page by page, so that any worker may die at any point.

What waits and what is done stands in the rows of its pages. A page is fetched and read outside of any transaction,
then settled in one. Pages that are gone are deleted at the very end, and only if the run as a whole can be believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog

from apps.knowledge.crawl.addresses import identity, site_of
from apps.knowledge.crawl.patterns import BadPattern
from apps.knowledge.crawl.scope import Scope, may_hold_text
from apps.knowledge.crawl.traps import MAX_ALIKE, is_exhausted, is_family
from apps.knowledge.models import Source, SourcePage
from apps.knowledge.services import crawl_rows as rows
from apps.knowledge.services.crawl_finish import finish_run
from apps.knowledge.services.crawl_rows import Claim
from apps.knowledge.services.fetching import PoliteClient, SiteAway
from apps.knowledge.services.page_settling import settle
from apps.knowledge.services.page_visit import Visit, visit_page
from apps.knowledge.services.site_listing import list_sitemap
from apps.knowledge.source_enums import PageOutcome, PageState, RunState, SourceKind
from parley.errors import Problem
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

Checkpoint = Callable[[int], None]

# After this long a worker gives its place to others; the run goes on with the next free one.
SLICE_SECONDS = 300.0
# A wait that short is not worth a new message.
_SHORT_WAIT = 5.0
_MAX_SILENT = 8
_MAX_PAUSES = 8
_ALIKE = "Many addresses like this one say the same; the rest of them is left out."
_ROBOTS = "The site’s robots.txt asks not to fetch it."


def run_source(
    *, run_id: UUID, seconds: float = SLICE_SECONDS, checkpoint: Checkpoint | None = None
) -> timedelta | None:
    """Work on a sync for at most `seconds`; returns how long to wait before it goes on, None when it is over.

    Opens its own transactions. Safe to repeat and to kill anywhere: at most the page in flight is fetched twice.
    `checkpoint` is told the number of visited pages after each, and may raise `Stopped`. Raises that, and what is
    an error of Parley's own.
    """
    claim = rows.claim_run(run_id)
    if claim is None:
        return None
    try:
        return _Crawl(claim, time.monotonic() + seconds, checkpoint).work()
    except (Problem, BadPattern) as problem:
        sentence = problem.detail if isinstance(problem, Problem) else str(problem)
        rows.end_run(claim, RunState.FAILED, sentence)
        log.info("source.run_failed", run_id=str(claim.run_id), attempt=claim.attempt)
        return None


def scope_of(source: Source) -> Scope:
    """What a source takes. Raises `BadPattern`."""
    starts = [source.address] + ([source.resolved_address] if source.resolved_address else [])
    scope = Scope.of(starts, include=source.include, exclude=source.exclude)
    return scope if source.kind == SourceKind.CRAWL else replace(scope, folder="/")


class _Crawl:
    """One worker's turn at a run."""

    def __init__(self, claim: Claim, deadline: float, checkpoint: Checkpoint | None) -> None:
        self._claim = claim
        self._source = claim.source
        self._deadline = deadline
        self._checkpoint = checkpoint
        self._client = PoliteClient(delay_seconds=claim.source.delay_seconds, obeys_robots=claim.source.obeys_robots)
        self._scope = scope_of(claim.source)
        self._visited = claim.visited
        self._taken = claim.taken
        self._pauses = claim.pauses
        self._silent = 0

    def work(self) -> timedelta | None:
        """Visit until nothing waits, the limit is reached, the time is over, or the site wants to be left alone."""
        self._seed()
        while page := rows.next_page(self._claim):
            if self._taken >= self._source.max_pages or self._visited >= self._source.max_pages * rows.VISITS_PER_PAGE:
                finish_run(self._claim, self._scope, is_capped=True)
                return None
            if time.monotonic() >= self._deadline:
                rows.hand_back(self._claim)
                return timedelta()
            pause = self._take(page)
            if pause is not None:
                return pause
        finish_run(self._claim, self._scope)
        return None

    def _seed(self) -> None:
        """The robots.txt first, then what the source begins with. Raises `SiteAway`, `EgressRefused`."""
        start = self._source.address
        if not self._client.robots(start).allows(start):
            raise SiteAway(
                "The site’s robots.txt asks Parley not to fetch this address. "
                "If the site is yours, allow “Parley” there, or switch off “Obey robots.txt” for this source."
            )
        if self._claim.is_seeded:
            return
        addresses = [start]
        if self._claim.kind == SourceKind.SITEMAP:
            limit = self._source.max_pages * rows.VISITS_PER_PAGE
            addresses = self._followed(list_sitemap(self._client, start, limit=limit))
            if not addresses:
                raise SiteAway("The sitemap names no page that the patterns of this source let in.")
        rows.seed(self._claim, addresses)

    def _take(self, page: SourcePage) -> timedelta | None:
        """Visit one page and settle what came of it. Returns how long a busy site wants to be left alone."""
        objection = self._objection(page)
        if objection:
            with tenant_tx():
                rows.keep(self._claim)
                rows.close_page(self._claim, page, PageOutcome.SKIPPED, objection)
            self._count(is_taken=False)
            return None
        is_known = page.state == PageState.CURRENT and page.document is not None and page.document.deleted_at is None
        visit = visit_page(
            self._client,
            page.address,
            etag=page.etag if is_known else "",
            last_modified=page.last_modified if is_known else "",
        )
        if visit.kind == "busy":
            return self._wait(visit)
        self._pauses = 0
        self._require_life(visit)
        visit = self._inside(page, visit)
        links = visit.links if visit.kind != "not_modified" else page.links
        followed = self._followed(links if visit.kind != "failed" or visit.links else page.links)
        if self._claim.kind != SourceKind.CRAWL or page.depth >= self._source.max_depth:
            followed = []
        outcome = settle(self._claim, page.id, visit, followed, self._canonical(page, visit))
        self._count(is_taken=outcome != PageOutcome.SKIPPED)
        return None

    def _count(self, *, is_taken: bool) -> None:
        self._visited += 1
        self._taken += is_taken
        if self._checkpoint is not None:
            self._checkpoint(self._visited)

    def _objection(self, page: SourcePage) -> str:
        """Why a page is not even fetched."""
        if not self._client.robots(page.address).allows(page.address):
            return _ROBOTS
        may_be_endless = page.state != PageState.CURRENT and self._visited >= MAX_ALIKE and is_family(page.shape)
        if may_be_endless and is_exhausted(rows.fingerprints_of_shape(self._claim, page.shape)):
            return _ALIKE
        return ""

    def _wait(self, visit: Visit) -> timedelta | None:
        """Leave a busy site alone: here for a moment, or by handing the run back for as long as it asks.

        Raises `SiteAway` when it asks so again and again.
        """
        self._pauses += 1
        if self._pauses > _MAX_PAUSES:
            raise SiteAway(f"{visit.sentence} It did so again and again. Nothing was deleted. Sync again later.")
        self._client.slow_down()
        if visit.wait_seconds <= _SHORT_WAIT and time.monotonic() + visit.wait_seconds < self._deadline:
            time.sleep(visit.wait_seconds)
            return None
        rows.hand_back(self._claim, message=visit.sentence, pauses=self._pauses)
        return timedelta(seconds=visit.wait_seconds)

    def _require_life(self, visit: Visit) -> None:
        """Raises `SiteAway` once so many requests in a row got no answer that the site must be down."""
        self._silent = self._silent + 1 if visit.is_unreachable else 0
        if self._silent >= _MAX_SILENT:
            raise SiteAway(
                f"{site_of(visit.address)} stopped answering after {self._visited:,} pages. "
                "Nothing was deleted. Sync again later."
            )

    def _inside(self, page: SourcePage, visit: Visit) -> Visit:
        """The visit, unless a redirect led where this source does not go."""
        if identity(visit.address) == page.key or self._claim.kind == SourceKind.PAGE:
            return visit
        if rows.is_start(self._claim, page):
            self._adopt(visit.address)
            return visit
        objection = self._scope.objection(visit.address)
        if not objection and not self._client.robots(visit.address).allows(visit.address):
            objection = "closed by its robots.txt"
        if not objection:
            return visit
        return Visit("left_out", page.address, f"It leads to {visit.address}, which is not taken: {objection}.")

    def _adopt(self, address: str) -> None:
        """The start leads elsewhere: what lies there belongs to the source too."""
        with tenant_tx():
            rows.keep(self._claim)
            Source.objects.filter(id=self._source.id).update(resolved_address=address)
        self._source.resolved_address = address
        self._scope = scope_of(self._source)

    def _canonical(self, page: SourcePage, visit: Visit) -> str:
        """The address a page names as its own, if it is another one that this source takes.

        Pages that all name the start as theirs are a known mistake of site builders, and are not believed.
        """
        if not visit.canonical or visit.kind != "read" or self._claim.kind == SourceKind.PAGE:
            return ""
        named = identity(visit.canonical)
        is_believed = named not in (identity(visit.address), page.key, identity(self._source.address))
        is_believed = is_believed and named != identity(f"https://{site_of(visit.canonical)}/")
        return visit.canonical if is_believed and not self._scope.objection(visit.canonical) else ""

    def _followed(self, links: Iterable[str]) -> list[str]:
        """Those of some links that this source takes."""
        return [link for link in links if may_hold_text(link) and not self._scope.objection(link)]
