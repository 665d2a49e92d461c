"""One page: fetched, looked over in the sandbox, and told as a value. Touches no row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from apps.knowledge.crawl.addresses import normalise
from apps.knowledge.crawl.naming import document_name, in_utf8
from apps.knowledge.crawl.robots import read_directives
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sandbox import read_page_safely
from apps.knowledge.services.fetching import HTML_TYPES, PoliteClient
from parley.egress.client import EgressFailed, EgressRefused, Fetched

VisitKind = Literal["read", "not_modified", "gone", "failed", "left_out", "busy"]

_DEFAULT_WAIT, _LONGEST_WAIT = 30.0, 900.0
NO_WORDS = (
    "The page holds no words without running its scripts. Look for a version without scripts, or upload it as a file."
)


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of fetching a page. `address` is where redirects ended, in its normal form.

    `links` are followed whatever the kind; `wait_seconds` says how long a busy site asks to be left alone;
    `is_unreachable` that nobody answered at all.
    """

    kind: VisitKind
    address: str
    sentence: str = ""
    content: bytes = b""
    name: str = ""
    title: str = ""
    language: str = ""
    canonical: str = ""
    text_hash: str = ""
    fingerprint: int = 0
    links: tuple[str, ...] = ()
    etag: str = ""
    last_modified: str = ""
    wait_seconds: float = 0.0
    is_unreachable: bool = False


def visit_page(client: PoliteClient, address: str, *, etag: str = "", last_modified: str = "") -> Visit:
    """Fetch and read one page. Raises nothing a page or a site can cause."""
    try:
        answer = client.get(address, etag=etag or None, last_modified=last_modified or None)
    except EgressRefused as problem:
        return Visit("failed", address, problem.detail)
    except EgressFailed as problem:
        if problem.reason == "content_type":
            return Visit("left_out", address, problem.detail)
        return Visit("failed", address, problem.detail, is_unreachable=problem.reason in ("unreachable", "timeout"))
    final = normalise(answer.url) or address
    if answer.status == 200:
        return _read(answer, final)
    return _unread(answer, final)


def _unread(answer: Fetched, address: str) -> Visit:
    """What a status other than 200 means."""
    status = answer.status
    if status == 304:
        return Visit("not_modified", address)
    if status in (404, 410):
        return Visit("gone", address, f"There is no such page ({status}).")
    if status in (429, 503):
        wait = retry_after_seconds(answer.headers.get("retry-after", ""), now=datetime.now(UTC))
        return Visit("busy", address, f"The site asks to be left alone for a while ({status}).", wait_seconds=wait)
    if status in (401, 403, 407):
        return Visit("failed", address, f"The page is not open to everybody ({status}): it asks for a sign-in.")
    if status >= 500:
        return Visit("failed", address, f"The site answered with an error of its own ({status}). Sync again later.")
    return Visit("failed", address, f"The site did not give the page ({status}).")


def _read(answer: Fetched, address: str) -> Visit:
    directives = read_directives([answer.headers.get("x-robots-tag", "")])
    is_html = answer.content_type in HTML_TYPES
    etag, last_modified = (answer.etag or "")[:300], (answer.last_modified or "")[:100]
    try:
        if not is_html:
            if directives.no_index:
                return Visit("left_out", address, "The file asks not to be indexed.")
            return Visit(
                "read",
                address,
                content=answer.content,
                name=document_name(address, answer.content, is_html=False),
                text_hash=hashlib.sha256(answer.content).hexdigest(),
                etag=etag,
                last_modified=last_modified,
            )
        content = in_utf8(answer.content, answer.charset)
        page = read_page_safely(content, address)
    except Unreadable as problem:
        return Visit("failed", address, problem.sentence)
    links = () if directives.no_follow else page.links
    if page.no_index or directives.no_index:
        return Visit("left_out", address, "The page asks not to be indexed.", links=links)
    if not page.has_text:
        return Visit("failed", address, NO_WORDS, links=links)
    return Visit(
        "read",
        address,
        content=content,
        name=document_name(address, content, is_html=True),
        title=page.title,
        language=page.language,
        canonical=page.canonical,
        text_hash=page.text_hash,
        fingerprint=page.fingerprint,
        links=links,
        etag=etag,
        last_modified=last_modified,
    )


def retry_after_seconds(value: str, *, now: datetime) -> float:
    """The seconds of a `Retry-After` header (RFC 9110 §10.2.3: a number or a date), kept within 1 s and 15 min."""
    value = value.strip()
    if value.isdecimal():
        seconds = float(value[:9])
    else:
        try:
            at = parsedate_to_datetime(value)
            seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
        except ValueError:
            seconds = _DEFAULT_WAIT
    return min(max(seconds, 1.0), _LONGEST_WAIT)
