"""robots.txt as RFC 9309 reads it, plus `Crawl-delay`, and what `robots` meta tags and headers say. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protego import Protego

AGENT = "Parley"
MAX_ROBOTS_BYTES = 512 * 1024
# A site that asks for more would never be finished; a run keeps this distance and no longer one.
MAX_CRAWL_DELAY = 30.0
_MAX_SITEMAPS = 20


@dataclass(frozen=True, slots=True)
class Robots:
    """What a site asks of crawlers. `rules` is None when it asks for nothing."""

    rules: Protego | None = None

    @classmethod
    def parse(cls, content: bytes) -> Robots:
        """Read a robots.txt; bytes that are no text ask for nothing."""
        return cls(Protego.parse(content[:MAX_ROBOTS_BYTES].decode("utf-8-sig", "replace")))

    def allows(self, address: str) -> bool:
        """Whether Parley may fetch an address."""
        return self.rules is None or bool(self.rules.can_fetch(address, AGENT))

    @property
    def delay(self) -> float:
        """Seconds the site asks to leave between two requests; 0 when it says nothing."""
        asked = None if self.rules is None else self.rules.crawl_delay(AGENT)
        return min(max(float(asked or 0), 0.0), MAX_CRAWL_DELAY)

    @property
    def sitemaps(self) -> list[str]:
        """Addresses of sitemaps, as written there."""
        return [] if self.rules is None else list(self.rules.sitemaps)[:_MAX_SITEMAPS]


def robots_path(address: str) -> str:
    """Where the robots.txt that governs an address lies."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/robots.txt"


@dataclass(frozen=True, slots=True)
class PageDirectives:
    """What a page says about itself."""

    no_index: bool = False
    no_follow: bool = False


def read_directives(values: Iterable[str]) -> PageDirectives:
    """`<meta name=robots>` contents and `X-Robots-Tag` values; those that name another crawler are not for us."""
    words: set[str] = set()
    for value in values:
        agent, colon, rest = value.partition(":")
        if colon and agent.strip().lower() not in ("unavailable_after", "max-snippet", "max-image-preview"):
            if agent.strip().lower() != AGENT.lower():
                continue
            value = rest
        words.update(word.strip().lower() for word in value.split(","))
    return PageDirectives(no_index=bool(words & {"noindex", "none"}), no_follow=bool(words & {"nofollow", "none"}))
