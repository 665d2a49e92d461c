"""Sitemaps: lists of addresses, lists of further lists, as XML or text, packed or not (sitemaps.org 0.9). Pure."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from apps.knowledge.crawl.found import Sitemap
from apps.knowledge.ingest.blocks import Unreadable

MAX_SITEMAP_BYTES = 50 * 1024 * 1024
MAX_ENTRIES = 50_000
_NOT_A_SITEMAP = (
    "This is not a sitemap. It should be an XML file with <urlset> or <sitemapindex>, or one address a line."
)


def read_sitemap(content: bytes) -> Sitemap:
    """Read a sitemap. Raises `Unreadable` with a sentence."""
    content = _unpacked(content)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<":
        return _read_text(content)
    addresses: list[str] = []
    root = ""
    try:
        for name, text in _elements(content):
            root = root or name
            if name == "loc" and text:
                addresses.append(text)
            if len(addresses) >= MAX_ENTRIES:
                break
    except DefusedXmlException:
        raise Unreadable("The sitemap defines entities, which Parley does not read.") from None
    except (ParseError, ValueError, LookupError):
        # Cut off in the middle: what was read before is good.
        if not addresses:
            raise Unreadable(_NOT_A_SITEMAP) from None
    if root not in ("urlset", "sitemapindex"):
        raise Unreadable(_NOT_A_SITEMAP)
    return Sitemap(tuple(addresses), is_index=root == "sitemapindex")


def _elements(content: bytes) -> Iterator[tuple[str, str]]:
    """The root's name first, then each element's name and text as it ends, forgotten afterwards."""
    for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=False):
        name = element.tag.rpartition("}")[2].lower()
        if event == "start":
            if name in ("urlset", "sitemapindex"):
                yield name, ""
            continue
        yield name, (element.text or "").strip()
        if name in ("url", "sitemap"):
            element.clear()


def _read_text(content: bytes) -> Sitemap:
    lines = [line.strip() for line in content.decode("utf-8-sig", "replace").splitlines()[:MAX_ENTRIES]]
    addresses = tuple(line for line in lines if line.startswith(("http://", "https://")))
    if not addresses:
        raise Unreadable(_NOT_A_SITEMAP)
    return Sitemap(addresses)


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacker.decompress(content, MAX_SITEMAP_BYTES + 1)
    except zlib.error:
        raise Unreadable("The sitemap is packed in a broken way.") from None
    if len(unpacked) > MAX_SITEMAP_BYTES:
        raise Unreadable("The sitemap is larger than 50 MB once unpacked.")
    return unpacked
