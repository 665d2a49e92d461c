"""Where a source begins: the addresses of its sitemap, or what its start page links to."""

from __future__ import annotations

from apps.knowledge.crawl.addresses import identity, normalise
from apps.knowledge.crawl.found import Sitemap
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sandbox import read_sitemap_safely
from apps.knowledge.services.fetching import SITEMAP_TYPES, PoliteClient, SiteAway
from parley.egress.client import EgressFailed

_MAX_SITEMAPS = 200
_MAX_SITEMAP_BYTES = 25 * 1024 * 1024


def list_sitemap(client: PoliteClient, address: str, *, limit: int) -> list[str]:
    """The pages of a sitemap and of those it names, in normal form, up to `limit`.

    Raises `SiteAway` when the first one cannot be read; later ones that cannot are left out.
    """
    waiting, seen = [address], {identity(address)}
    found: dict[str, str] = {}
    while waiting and len(found) < limit:
        current = waiting.pop(0)
        try:
            sitemap = _read_sitemap(client, current)
        except SiteAway:
            if current == address:
                raise
            continue
        for written in sitemap.addresses:
            target = normalise(written, current)
            if target is None:
                continue
            if not sitemap.is_index:
                found.setdefault(identity(target), target)
            elif identity(target) not in seen and len(seen) < _MAX_SITEMAPS:
                seen.add(identity(target))
                waiting.append(target)
    return list(found.values())[:limit]


def _read_sitemap(client: PoliteClient, address: str) -> Sitemap:
    try:
        answer = client.get(address, accept=SITEMAP_TYPES, max_bytes=_MAX_SITEMAP_BYTES)
        if answer.status != 200:
            raise SiteAway(f"The sitemap {address} cannot be fetched (the site answered {answer.status}).")
        return read_sitemap_safely(answer.content)
    except EgressFailed as problem:
        raise SiteAway(f"The sitemap {address} cannot be fetched. {problem.detail}") from problem
    except Unreadable as problem:
        raise SiteAway(f"{address}: {problem.sentence}") from problem
