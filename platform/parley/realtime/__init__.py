"""Numbered event logs that many readers follow: news about answers under way, never their only copy."""

from parley.realtime.connection import get_hub, shut_hub
from parley.realtime.events import Event, Item, Snapshot, SnapshotLoader
from parley.realtime.hub import Hub, Writer
from parley.realtime.offline import append_event, read_events

__all__ = [
    "Event",
    "Hub",
    "Item",
    "Snapshot",
    "SnapshotLoader",
    "Writer",
    "append_event",
    "get_hub",
    "read_events",
    "shut_hub",
]
