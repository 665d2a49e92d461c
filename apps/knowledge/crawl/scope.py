"""Which addresses a source takes: its site, its folder, its patterns, and no traps. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from apps.knowledge.crawl.addresses import folder_of, site_of
from apps.knowledge.crawl.patterns import Patterns
from apps.knowledge.crawl.traps import is_trap

# Files that pages link to and that hold no text, or none that a reader of the site was meant to find there: pictures
# are read when somebody uploads them, not by the thousand.
_NEVER_TEXT = re.compile(
    r"\.(?:png|jpe?g|gif|webp|avif|svg|ico|bmp|tiff?|mp3|mp4|m4[av]|webm|ogg|wav|avi|mov|flac|zip|gz|tgz|bz2|xz|7z|rar|"
    r"tar|dmg|exe|msi|deb|rpm|apk|iso|whl|jar|css|m?js|map|json|xml|rss|atom|woff2?|ttf|otf|eot|ics|vcf|torrent|bin)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a source takes. Without `include` a crawl stays below `folder`; `sites` are hosts as `site_of` gives."""

    sites: frozenset[str]
    folder: str
    include: Patterns
    exclude: Patterns

    @classmethod
    def of(cls, addresses: Sequence[str], *, include: Sequence[str], exclude: Sequence[str]) -> Scope:
        """The scope of a source that begins at the first of `addresses`; the others are where that one leads.

        Raises `BadPattern`.
        """
        return cls(
            frozenset(site_of(address) for address in addresses),
            folder_of(addresses[0]),
            Patterns.parse(include),
            Patterns.parse(exclude),
        )

    def objection(self, address: str) -> str:
        """Why an address (a normal form) is not taken, as a few words; empty when it is. Raises `BadPattern`."""
        if site_of(address) not in self.sites:
            return "another site"
        if self.exclude.matches(address):
            return "excluded by a pattern"
        if self.include:
            if not self.include.matches(address):
                return "not among the included patterns"
        elif not urlsplit(address).path.startswith(self.folder) and not _is_folder(address, self.folder):
            return f"outside of {self.folder}"
        if is_trap(address):
            return "an address that repeats itself"
        return ""


def _is_folder(address: str, folder: str) -> bool:
    return urlsplit(address).path + "/" == folder


def may_hold_text(address: str) -> bool:
    """False for pictures, archives and other files that no reader takes, judged by their name."""
    suffix = PurePosixPath(urlsplit(address).path).suffix
    return not _NEVER_TEXT.fullmatch(suffix)
