"""Checks the addresses that people give to providers: when they are saved, and again before each call.

A name can point elsewhere tomorrow, so the check at saving time alone would protect nothing.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from ipaddress import ip_address

from django.conf import settings

from apps.gateway.routing.addresses import (
    Address,
    hostname_of,
    literal_address,
    objection_to_addresses,
    objection_to_url,
)
from parley.llm import LlmError

_REMEMBERED_SECONDS = 30.0
_MOST_REMEMBERED = 1_000
_checked: dict[str, float] = {}


def objection(url: str) -> str | None:
    """A sentence when a provider must not have this address, else None. Looks the name up.

    A name that nobody knows yet may be saved: testing the key will say that it cannot be reached.
    """
    return objection_to_url(url) or _objection_to_addresses(_resolve(hostname_of(url)))


def require_callable(url: str | None) -> None:
    """Check an address right before a call. Raises `LlmError`, so that the next model of the route is tried.

    The operator's own model server is not a tenant's choice and may be anywhere. Looks the name up, so it blocks.
    """
    if url is None or _is_known(url):
        return
    complaint = objection(url)
    if complaint is not None:
        raise LlmError("refused", complaint)
    if len(_checked) > _MOST_REMEMBERED:
        _checked.clear()
    _checked[url] = time.monotonic() + _REMEMBERED_SECONDS


async def arequire_callable(url: str | None) -> None:
    """`require_callable` for an event loop: the name is looked up in a thread."""
    if url is not None and not _is_known(url):
        await asyncio.get_running_loop().run_in_executor(None, require_callable, url)


def _is_known(url: str) -> bool:
    return url == settings.PARLEY_LOCAL_MODEL_URL or time.monotonic() < _checked.get(url, 0.0)


def _resolve(hostname: str) -> list[Address]:
    literal = literal_address(hostname)
    if literal is not None:
        return [literal]
    try:
        found = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    # Scoped IPv6 addresses carry their interface after a percent sign.
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _objection_to_addresses(addresses: Iterable[Address]) -> str | None:
    return objection_to_addresses(addresses, is_private_allowed=settings.PARLEY_ALLOW_PRIVATE_PROVIDERS)
