"""What a crawl needs to know of a web page: where it leads, what it calls itself, and whether its words changed. Pure.

Reads hostile HTML with a native parser: run it inside `ingest.sandbox`.
"""

from __future__ import annotations

import hashlib

from selectolax.lexbor import LexborHTMLParser

from apps.knowledge.crawl.addresses import normalise
from apps.knowledge.crawl.found import Page
from apps.knowledge.crawl.robots import read_directives
from apps.knowledge.crawl.traps import fingerprint
from apps.knowledge.ingest.formats.html import read_html

MAX_LINKS = 2_000
_MAX_LANGUAGE = 35


def read_page(content: bytes, address: str) -> Page:
    """Read a page that was fetched from `address`. Raises `Unreadable` for one that is far too long."""
    document = read_html(content)
    text = "\n".join(block.text for block in document.blocks)
    tree = LexborHTMLParser(content)
    base = _attribute(tree, "base[href]", "href")
    origin = normalise(base, address) or address if base else address
    said = [
        node.attributes.get("content") or ""
        for node in tree.css("meta[name]")
        if (node.attributes.get("name") or "").lower() in ("robots", "parley")
    ]
    directives = read_directives(said)
    canonical = _attribute(tree, "link[rel=canonical]", "href")
    return Page(
        title=document.title,
        text_hash=hashlib.sha256(f"{document.title}\n{text}".encode()).hexdigest(),
        fingerprint=fingerprint(text),
        has_text=bool(text.strip()),
        language=_language(_attribute(tree, "html[lang]", "lang")),
        canonical=normalise(canonical, origin) or "" if canonical else "",
        links=() if directives.no_follow else _links(tree, origin),
        no_index=directives.no_index,
        no_follow=directives.no_follow,
    )


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    node = tree.css_first(selector)
    return (node.attributes.get(name) or "").strip() if node is not None else ""


def _language(tag: str) -> str:
    """A language tag (BCP 47) as written, in its usual capitals: `de`, `pt-BR`."""
    tag = tag.replace("_", "-")[:_MAX_LANGUAGE]
    first, dash, rest = tag.partition("-")
    if not first.isascii() or not first.isalpha() or not 2 <= len(first) <= 3:
        return ""
    return first.lower() + (dash + (rest.upper() if len(rest) == 2 else rest) if rest.isascii() else "")


def _links(tree: LexborHTMLParser, origin: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in tree.css("a[href], area[href], frame[src]"):
        attributes = node.attributes
        if "nofollow" in (attributes.get("rel") or "").lower().split():
            continue
        target = normalise(attributes.get("href") or attributes.get("src") or "", origin)
        if target is not None:
            found[target] = None
        if len(found) >= MAX_LINKS:
            break
    return tuple(found)
