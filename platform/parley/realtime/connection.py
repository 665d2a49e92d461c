"""The hub of the running event loop, made on first use from `VALKEY_URL`."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from parley.realtime.hub import Hub

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Hub, tuple[Redis, Redis]]] = WeakKeyDictionary()

COMMAND_TIMEOUT = 2.0


def get_hub() -> Hub:
    """The hub of the running event loop; a process that serves has exactly one."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        clients = _client(COMMAND_TIMEOUT), _client(None)
        found = _hubs[loop] = Hub(*clients), clients
    return found[0]


async def shut_hub() -> None:
    """Close the hub of the running event loop, if it was used."""
    found = _hubs.pop(asyncio.get_running_loop(), None)
    if found is not None:
        hub, clients = found
        await hub.close()
        for client in clients:
            await client.aclose()


def _client(timeout: float | None) -> Redis:
    # No retries: the hub has its own answer to an absent Valkey, and it must come at once.
    return Redis.from_url(
        settings.VALKEY_URL,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=COMMAND_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
