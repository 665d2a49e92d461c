"""Web addresses in one normal form, and when two of them are the same page or the same site. Pure.

Follows RFC 3986 §6 (case, percent-encoding, dot segments, default ports) and leaves out what only follows readers
around: fragments, tracking parameters and session numbers.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qsl, quote, urljoin, urlsplit

import idna

MAX_ADDRESS = 2_000
_MAX_EXTERNAL_ID = 200
_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(
    r"(?:utm_\w+|mtm_\w+|pk_\w+|hsa_\w+|_hs\w+|gclid|gclsrc|dclid|wbraid|gbraid|fbclid|msclkid|yclid|twclid|ttclid|"
    r"igshid|mc_[ce]id|mkt_tok|vero_id|_ga|_gl|oly_(?:anon|enc)_id|phpsessid|jsessionid|aspsessionid\w*|sessionid)",
    re.IGNORECASE,
)
_SESSION_IN_PATH = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?;]*", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_.-]{1,253}|[0-9a-f:.]{2,45}")
_REMOVED_BY_BROWSERS = re.compile(r"[\t\r\n]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE = "/%:@!$&'()*+,;=~-._?[]"


def normalise(address: str, base: str = "") -> str | None:
    """The normal form of an address, read relative to `base`; None for what no crawler follows.

    That is: other schemes than http and https, user names in the address, hosts or ports that are not valid, and
    more than `MAX_ADDRESS` characters. Whether the address may be called at all is for `parley.egress` to judge.
    """
    address = _REMOVED_BY_BROWSERS.sub("", address).strip().replace("\\", "/")
    if not address or len(address) > MAX_ADDRESS:
        return None
    try:
        parts = urlsplit(urljoin(base, address))
        port = parts.port
        host = _host(parts.hostname or "")
    except (ValueError, UnicodeError):
        return None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    named = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        named += f":{port}"
    path = _escaped(_SESSION_IN_PATH.sub("", _without_dots(parts.path))) or "/"
    query = _query(parts.query)
    found = f"{scheme}://{named}{path}{'?' + query if query else ''}"
    return found if len(found) <= MAX_ADDRESS else None


def identity(address: str) -> str:
    """What two spellings of one page have in common: no scheme, no `www.`, no final slash, parameters in order.

    Takes a normal form. Servers that show two pages at `/a` and `/a/` are not known outside of tests.
    """
    parts = urlsplit(address)
    path = parts.path.rstrip("/") or "/"
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    return f"{site_of(address)}{path}{'?' + query if query else ''}"


def site_of(address: str) -> str:
    """Host without `www.`, and the port unless it is the usual one: what a crawl stays on."""
    parts = urlsplit(address)
    return parts.netloc.lower().removeprefix("www.")


def folder_of(address: str) -> str:
    """The path up to and with its last slash: what a crawl that starts here stays below."""
    path = urlsplit(address).path
    return path[: path.rfind("/") + 1] or "/"


def path_of(address: str) -> str:
    """Path and query, as patterns see them."""
    parts = urlsplit(address)
    return f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"


def external_id_of(address: str) -> str:
    """The name of a page as a document's external id: its identity, shortened to a digest where it is too long."""
    name = identity(address)
    if len(name) <= _MAX_EXTERNAL_ID:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    return f"{name[: _MAX_EXTERNAL_ID - 25]}#{digest}"


def _host(name: str) -> str:
    host = name.lower().rstrip(".")
    if not host.isascii():
        host = idna.encode(host, uts46=True, transitional=False).decode("ascii")
    return host if _HOST.fullmatch(host) else ""


def _without_dots(path: str) -> str:
    """RFC 3986 §5.2.4 for absolute references, which `urljoin` leaves alone."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _query(query: str) -> str:
    """Parameters in their order, without those that only follow readers around."""
    kept = [
        part
        for part in query.split("&")
        if part and not any(_TRACKING.fullmatch(name) for name, _ in parse_qsl(part, keep_blank_values=True))
    ]
    return _escaped("&".join(kept))


def _escaped(text: str) -> str:
    """Percent-encoding in capitals, none where none is needed."""

    def settle(match: re.Match[str]) -> str:
        byte = int(match.group(1), 16)
        return chr(byte) if byte in _UNRESERVED else f"%{byte:02X}"

    return quote(_ESCAPE.sub(settle, text), safe=_SAFE)
