"""Reads the websites that may show a widget; the result goes into a security header, so it is strict."""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from parley.errors import Invalid

_MOST = 50
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_USUAL_PORTS = {"http": 80, "https": 443}


def clean_origins(origins: Sequence[str]) -> list[str]:
    """Origins as browsers send them, without repetitions, in the given order. Raises `Invalid` by field."""
    cleaned = list(dict.fromkeys(_clean(origin.strip()) for origin in origins if origin.strip()))
    if len(cleaned) > _MOST:
        raise _invalid(f"List at most {_MOST} websites.")
    return cleaned


def _clean(origin: str) -> str:
    try:
        parts = urlsplit(origin)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
    except ValueError as error:
        raise _unreadable(origin) from error
    has_more = parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _USUAL_PORTS or has_more or not _HOST.fullmatch(host):
        raise _unreadable(origin)
    suffix = "" if port is None or port == _USUAL_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _unreadable(origin: str) -> Invalid:
    return _invalid(
        f"{origin[:100]!r} is not the address of a website. Write scheme and host only, "
        "such as https://www.example.com or http://localhost:3000."
    )


def _invalid(sentence: str) -> Invalid:
    return Invalid("Some websites are not valid.", errors={"allowed_origins": [sentence]})
