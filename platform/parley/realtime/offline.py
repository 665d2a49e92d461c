"""Reading and closing a log without an event loop: for recovery, in whichever process it happens."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from parley.realtime.events import Event
from parley.realtime.log import APPEND_SCRIPT, append_arguments, decode_entries

log = structlog.get_logger(__name__)


def read_events(key: str) -> list[Event]:
    """All events that the log of a stream still has; empty when it cannot be asked."""
    try:
        with _connect() as client:
            entries: Any = client.xrange(key)
    except (RedisError, OSError) as error:
        log.warning("realtime.read_failed", error=type(error).__name__)
        return []
    return decode_entries(entries, 0)


def append_event(key: str, *, attempt: int, event: Event) -> None:
    """Add one event to a log and ring its doorbell. Failing is harmless: readers look at the row anyway."""
    keys, arguments = append_arguments([(key, attempt, event)])
    try:
        with _connect() as client:
            client.eval(APPEND_SCRIPT, len(keys), *keys, *arguments)
    except (RedisError, OSError) as error:
        log.warning("realtime.append_failed", error=type(error).__name__)


def _connect() -> Redis:
    return Redis.from_url(settings.VALKEY_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2)
