"""What reading a page or a sitemap gives, as it crosses the border of the sandbox. Pure, and no parser in sight."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """`links` and `canonical` are normal forms; `text_hash` is that of the words readers see, not of the markup."""

    title: str
    text_hash: str
    fingerprint: int
    has_text: bool
    language: str = ""
    canonical: str = ""
    links: tuple[str, ...] = ()
    no_index: bool = False
    no_follow: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, as they cross the border of the sandbox."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Page:
        """The inverse of `to_json`."""
        page = cls(**data)
        return replace(page, links=tuple(page.links))


@dataclass(frozen=True, slots=True)
class Sitemap:
    """Addresses as written, in order; of pages, or of further sitemaps when `is_index`."""

    addresses: tuple[str, ...]
    is_index: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, as they cross the border of the sandbox."""
        return {"addresses": list(self.addresses), "is_index": self.is_index}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Sitemap:
        """The inverse of `to_json`."""
        return cls(tuple(data["addresses"]), bool(data["is_index"]))
