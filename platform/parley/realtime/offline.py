"""The event log for code outside an event loop: sweepers that close what a dead process left open."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from redis import Redis

from parley.realtime.events import Event
from parley.realtime.log import APPEND_SCRIPT, FAULTS, append_arguments, decode_entries, entry_of

log = structlog.get_logger(__name__)


def read_events(key: str) -> list[Event] | None:
    """All events that the log of a stream still has; None when it cannot be asked."""
    try:
        with _connect() as client:
            entries: Any = client.xrange(key)
    except FAULTS as error:
        log.warning("realtime.read_failed", error=type(error).__name__)
        return None
    return decode_entries(entries, 0)


def append_event(key: str, *, attempt: int, event: Event) -> None:
    """Add one event to a log and ring its doorbell. Failing is harmless: readers look at the rows anyway."""
    keys, arguments = append_arguments([entry_of(key, attempt, event)])
    try:
        with _connect() as client:
            client.eval(APPEND_SCRIPT, len(keys), *keys, *arguments)
    except FAULTS as error:
        log.warning("realtime.append_failed", error=type(error).__name__)


def _connect() -> Redis:
    return Redis.from_url(settings.VALKEY_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2)
