"""Shows what a source would begin with, before it is saved: a few requests, no row."""

from __future__ import annotations

from dataclasses import dataclass

from apps.knowledge.crawl.scope import may_hold_text
from apps.knowledge.models import Source
from apps.knowledge.services.crawling import scope_of
from apps.knowledge.services.fetching import PoliteClient
from apps.knowledge.services.page_visit import visit_page
from apps.knowledge.services.site_listing import list_sitemap
from apps.knowledge.services.source_settings import SourceSettings, checked_source
from apps.knowledge.source_enums import SourceKind
from parley.errors import Invalid

MAX_SHOWN = 20
_MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class PreviewedAddress:
    """An address, and in a few words why it would be left out; empty when it would be fetched."""

    address: str
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """The first addresses of a source. `taken` counts those that would be fetched among all that were seen."""

    addresses: tuple[PreviewedAddress, ...]
    taken: int
    title: str = ""


def preview_source(*, address: str, settings: SourceSettings) -> Preview:
    """Ask the site for its robots.txt and the start page or sitemap. Call it without a transaction.

    Raises `Invalid` with sentences by field, `EgressRefused`, `SiteAway`.
    """
    values = checked_source(address, settings)
    source = Source(**values)
    client = PoliteClient(delay_seconds=0, obeys_robots=settings.obeys_robots)
    start = source.address
    if not client.robots(start).allows(start):
        sentence = "The site’s robots.txt asks Parley not to fetch this address."
        raise Invalid(sentence, errors={"address": [sentence]})
    title = ""
    if source.kind == SourceKind.SITEMAP:
        found = list_sitemap(client, start, limit=_MAX_LISTED)
    else:
        visit = visit_page(client, start)
        if visit.kind not in ("read", "left_out"):
            raise Invalid(visit.sentence, errors={"address": [visit.sentence]})
        title, source.resolved_address = visit.title, visit.address
        found = [visit.address, *(visit.links if source.kind == SourceKind.CRAWL else ())]
    scope = scope_of(source)
    seen = []
    for each in dict.fromkeys(found):
        objection = "" if source.kind == SourceKind.PAGE else scope.objection(each)
        if not objection and each != found[0] and not may_hold_text(each):
            objection = "a file without text"
        if not objection and not client.robots(start).allows(each):
            objection = "closed by robots.txt"
        seen.append(PreviewedAddress(each, objection))
    seen.sort(key=lambda each: bool(each.objection))
    return Preview(tuple(seen[:MAX_SHOWN]), sum(not each.objection for each in seen), title)
