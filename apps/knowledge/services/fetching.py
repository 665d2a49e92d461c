"""Asks sites for pages the way their owners expect: one request at a time, at a distance, and only what robots.txt
leaves open.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from django.core.cache import cache

from apps.knowledge.crawl.addresses import site_of
from apps.knowledge.crawl.robots import MAX_CRAWL_DELAY, MAX_ROBOTS_BYTES, Robots, robots_path
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.sniff import MEDIA_TYPES
from parley.egress.client import TOTAL_SECONDS, EgressFailed, Fetched, fetch
from parley.errors import Problem
from parley.tenancy import tenant_key

if TYPE_CHECKING:
    from collections.abc import Iterator

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
# Some servers send every file as a stream of bytes; its content decides then.
_READABLE = {media_type for media_type in MEDIA_TYPES.values() if not media_type.startswith("image/")}
PAGE_TYPES = frozenset({*_READABLE, *HTML_TYPES, "text/*", "application/octet-stream"})
SITEMAP_TYPES = frozenset(
    {"application/xml", "text/*", "application/gzip", "application/x-gzip", "application/octet-stream"}
)
MAX_PAGE_BYTES = limits.MAX_FILE_BYTES
_TURN_SECONDS = int(TOTAL_SECONDS) + 5
_POLL_SECONDS = 0.05


class SiteAway(Problem):
    """The site cannot be synced now: it is down, or does not say what may be fetched."""

    status = 502
    title = "The site did not answer as expected"


class PoliteClient:
    """Fetches for one source. Not for several threads at once."""

    def __init__(self, *, delay_seconds: float, obeys_robots: bool) -> None:
        self._delay = delay_seconds
        self._obeys_robots = obeys_robots
        self._robots: dict[str, Robots] = {}
        self._free_at: dict[str, float] = {}

    def robots(self, address: str) -> Robots:
        """What the site of an address asks for, read once. Raises `SiteAway`, `EgressRefused`.

        As RFC 9309 has it: no such file opens everything, a server in trouble closes everything.
        """
        if not self._obeys_robots:
            return Robots()
        site = site_of(address)
        if site not in self._robots:
            self._robots[site] = self._read_robots(robots_path(address))
        return self._robots[site]

    def get(
        self,
        address: str,
        *,
        accept: Collection[str] = PAGE_TYPES,
        max_bytes: int = MAX_PAGE_BYTES,
        etag: str | None = None,
        last_modified: str | None = None,
    ) -> Fetched:
        """Fetch when it is this site's turn. Raises `EgressRefused`, `EgressFailed`."""
        site = site_of(address)
        known = self._robots.get(site)
        delay = max(self._delay, known.delay if known else 0.0)
        time.sleep(max(0.0, self._free_at.get(site, 0.0) - time.monotonic()))
        with _turn(site):
            try:
                return fetch(address, accept=accept, max_bytes=max_bytes, etag=etag, last_modified=last_modified)
            finally:
                self._free_at[site] = time.monotonic() + delay

    def slow_down(self) -> None:
        """Ask half as often from now on: the site said it is too much."""
        self._delay = min(max(self._delay, 0.5) * 2, MAX_CRAWL_DELAY)

    def _read_robots(self, address: str) -> Robots:
        try:
            answer = self.get(address, accept=("text/*", "application/octet-stream"), max_bytes=MAX_ROBOTS_BYTES)
        except EgressFailed as problem:
            if problem.reason in ("content_type", "encoding", "too_large"):
                return Robots()
            raise SiteAway(f"{problem.detail} Its robots.txt was asked for first.") from problem
        if answer.status >= 500 or answer.status == 429:
            raise SiteAway(
                f"{address} answered with an error ({answer.status}), so Parley does not know what it may fetch. "
                "Sync again later."
            )
        return Robots.parse(answer.content) if answer.status == 200 else Robots()


@contextmanager
def _turn(site: str) -> Iterator[None]:
    """Hold a site for one request, so that two sources of a tenant never ask it at once.

    A hint, not a lock: a worker that dies keeps others waiting for one request's time at most.
    """
    key, mine = tenant_key("crawl-turn", site), uuid4().hex
    give_up = time.monotonic() + _TURN_SECONDS
    while not cache.add(key, mine, _TURN_SECONDS) and time.monotonic() < give_up:
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        if cache.get(key) == mine:
            cache.delete(key)
