"""The rows of a running sync: whose it is, its frontier, and what each visit changes, one transaction a page.

Every write first touches the run under its attempt; whoever lost it gets `Superseded` and has written nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.utils import timezone

from apps.knowledge.crawl.addresses import identity
from apps.knowledge.crawl.traps import shape_of
from apps.knowledge.models import Source, SourcePage, SourceRun
from apps.knowledge.source_enums import OPEN_RUN, PageOutcome, PageState, RunState, SourceKind
from parley.jobs.outcomes import Superseded
from parley.tenancy import tenant_tx

# Pages that only turn out to be left out cost requests too.
VISITS_PER_PAGE = 5
_MAX_PROBLEMS = 200
# Kept in the log of each source.
_LOGGED_RUNS = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a run while `attempt` is the run's own, and the source as it was then."""

    run_id: UUID
    attempt: int
    is_seeded: bool
    visited: int
    taken: int
    pauses: int
    source: Source

    @property
    def kind(self) -> str:
        return str(self.source.kind)


def claim_run(run_id: UUID) -> Claim | None:
    """Take an open run over from whoever had it; None when it is over."""
    now = timezone.now()
    with tenant_tx():
        taken = SourceRun.objects.filter(id=run_id, state__in=OPEN_RUN).update(
            state=RunState.RUNNING, attempt=F("attempt") + 1, message="", updated_at=now
        )
        if not taken:
            return None
        SourceRun.objects.filter(id=run_id, started_at=None).update(started_at=now)
        run = SourceRun.objects.select_related("source").get(id=run_id)
        visited = SourcePage.objects.filter(visited_in=run)
        return Claim(
            run_id=run.id,
            attempt=run.attempt,
            is_seeded=run.is_seeded,
            visited=visited.count(),
            taken=visited.exclude(outcome=PageOutcome.SKIPPED).count(),
            pauses=run.pauses,
            source=run.source,
        )


def keep(claim: Claim, **changes: Any) -> None:
    """Hold on to the run in the caller's transaction, with changes to it. Raises `Superseded`."""
    if not _mine(claim).update(updated_at=timezone.now(), **changes):
        raise Superseded


def seed(claim: Claim, addresses: Sequence[str]) -> None:
    """Put the first addresses into the frontier, and count what is known: what a site that is down is measured by."""
    with tenant_tx():
        known = SourcePage.objects.filter(source=claim.source, state=PageState.CURRENT).count()
        keep(claim, is_seeded=True, known_count=known)
        put_in_frontier(claim, addresses, depth=0)


def put_in_frontier(claim: Claim, addresses: Iterable[str], *, depth: int) -> None:
    """Queue addresses (normal forms) that this run has neither visited nor queued, in the caller's transaction.

    No more than a run may visit at all are kept.
    """
    wanted = {identity(address): address for address in addresses}
    if not wanted:
        return
    pages = SourcePage.objects.filter(source=claim.source)
    known = {
        key: claim.run_id in (visited_in, queued_in)
        for key, visited_in, queued_in in pages.filter(key__in=list(wanted)).values_list(
            "key", "visited_in_id", "queued_in_id"
        )
    }
    again = [key for key, is_settled in known.items() if not is_settled]
    if again:
        pages.filter(key__in=again).update(queued_in=claim.run_id, depth=depth)
    fresh = [(key, address) for key, address in wanted.items() if key not in known]
    if not fresh:
        return
    room = claim.source.max_pages * VISITS_PER_PAGE - pages.count()
    SourcePage.objects.bulk_create(
        SourcePage(
            source=claim.source,
            key=key,
            address=address,
            shape=shape_of(address),
            depth=depth,
            queued_in_id=claim.run_id,
        )
        for key, address in fresh[: max(0, room)]
    )


def next_page(claim: Claim) -> SourcePage | None:
    """The page to visit next: nearest to the start first, then in the order they were found."""
    with tenant_tx():
        page: SourcePage | None = (
            SourcePage.objects.filter(queued_in=claim.run_id).select_related("document").order_by("depth", "id").first()
        )
    return page


def fingerprints_of_shape(claim: Claim, shape: str) -> list[int]:
    """Fingerprints of the pages of one shape that this run has read, oldest first, the first few hundred."""
    with tenant_tx():
        read = SourcePage.objects.filter(source=claim.source, shape=shape, visited_in=claim.run_id).exclude(
            fingerprint=0
        )
        return list(read.order_by("id").values_list("fingerprint", flat=True)[:300])


def close_page(claim: Claim, page: SourcePage, outcome: PageOutcome, reason: str = "") -> None:
    """Mark a page as visited with this outcome and count it, in the caller's transaction.

    What is gone is counted at the end of the run only, where it is decided whether to believe it.
    """
    page.queued_in, page.visited_in_id = None, claim.run_id
    page.outcome, page.reason = outcome, reason[:500]
    if page.state not in (PageState.CURRENT, PageState.REMOVED):
        page.state = {
            PageOutcome.GONE: PageState.GONE,
            PageOutcome.FAILED: PageState.FAILED,
            PageOutcome.SKIPPED: PageState.SKIPPED,
        }.get(outcome, PageState.CURRENT)
    page.save()
    if outcome == PageOutcome.GONE:
        return
    changes: dict[str, Any] = {f"{outcome}_count": F(f"{outcome}_count") + 1}
    if outcome in (PageOutcome.FAILED, PageOutcome.SKIPPED):
        problems: list[dict[str, str]] = SourceRun.objects.values_list("problems", flat=True).get(id=claim.run_id)
        if len(problems) < _MAX_PROBLEMS:
            told = {"address": page.address, "outcome": str(outcome), "sentence": page.reason}
            changes["problems"] = [*problems, told]
    keep(claim, **changes)


def drop_frontier(source: Source) -> None:
    """Forget what still waits, in the caller's transaction."""
    SourcePage.objects.filter(source=source).exclude(queued_in=None).update(queued_in=None)


def hand_back(claim: Claim, *, message: str = "", **changes: Any) -> None:
    """Let the run wait for its next turn. Raises `Superseded`."""
    with tenant_tx():
        keep(claim, state=RunState.QUEUED, message=message[:500], **changes)


def end_run(claim: Claim, state: RunState, message: str = "", **changes: Any) -> None:
    """Close a run in a transaction of its own; its frontier is forgotten. Raises `Superseded`."""
    with tenant_tx():
        close_run(claim, state, message, **changes)


def close_run(claim: Claim, state: RunState, message: str = "", **changes: Any) -> None:
    """Close a run in the caller's transaction. Raises `Superseded`."""
    now = timezone.now()
    keep(claim, state=state, message=message[:500], ended_at=now, **changes)
    drop_frontier(claim.source)
    _trim_log(claim.source)


def _trim_log(source: Source) -> None:
    """Forget the oldest syncs of a source: one that is synced every hour would never stop adding."""
    ended = SourceRun.objects.filter(source=source).exclude(state__in=OPEN_RUN)
    oldest_kept = ended.order_by("-id").values_list("id", flat=True)[_LOGGED_RUNS - 1 : _LOGGED_RUNS].first()
    if oldest_kept is not None:
        ended.filter(id__lt=oldest_kept).delete()


def is_start(claim: Claim, page: SourcePage) -> bool:
    """Whether a page is the address a page source or a crawl begins at."""
    return claim.kind != SourceKind.SITEMAP and page.depth == 0 and page.key == identity(claim.source.address)


def _mine(claim: Claim) -> QuerySet[SourceRun]:
    mine: QuerySet[SourceRun] = SourceRun.objects.filter(id=claim.run_id, attempt=claim.attempt, state__in=OPEN_RUN)
    return mine
