"""What a fetched document is called, and its bytes in one encoding. Pure."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from apps.knowledge.ingest.sniff import ACCEPTED_EXTENSIONS, sniff

_MAX_NAME = 200
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SUFFIXES = {"markdown": ".md", "text": ".txt", "delimited": ".csv"}
_HTML = (".html", ".htm", ".xhtml")


def document_name(address: str, content: bytes, *, is_html: bool) -> str:
    """Path and query of an address, with the ending of what the content is: `docs/setup.html`, `files/report.pdf`.

    Raises `Unreadable` for content that no reader takes.
    """
    parts = urlsplit(address)
    name = unquote(parts.path).strip("/") or "index"
    if parts.query:
        name += "?" + unquote(parts.query)
    suffix = PurePosixPath(name).suffix.lower()
    if len(name) > _MAX_NAME:
        name = f"{name[: _MAX_NAME - 20]}… {hashlib.sha256(address.encode()).hexdigest()[:8]}"
        suffix = ""
    if is_html:
        return name if suffix in _HTML else f"{name}.html"
    if suffix in ACCEPTED_EXTENSIONS:
        return name
    found = sniff(content)
    return name + _SUFFIXES.get(found, f".{found}")


def in_utf8(content: bytes, charset: str | None) -> bytes:
    """HTML in UTF-8 and marked so, when the server named another encoding; else as it came, for the reader to judge."""
    if not charset or content.startswith((_BYTE_ORDER_MARK, b"\xff\xfe", b"\xfe\xff")):
        return content
    try:
        return _BYTE_ORDER_MARK + content.decode(charset, "replace").encode("utf-8", "replace")
    except LookupError:
        return content
