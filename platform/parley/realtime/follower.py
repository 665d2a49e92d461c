"""The bounded queue between a stream and one reader: a slow reader costs a snapshot, never memory."""

from __future__ import annotations

import asyncio

from parley.realtime.events import Event

MAX_EVENTS = 256
MAX_BYTES = 1_000_000


class Follower:
    """Holds what one reader has not taken yet, at most 256 events or 1 MB (S-09).

    When it overflows it forgets everything and `take` reports the gap; the reader then continues from a
    snapshot. Not thread-safe: it belongs to one event loop.
    """

    __slots__ = ("_bytes", "_has_gap", "_pending", "_waiter")

    def __init__(self) -> None:
        self._pending: list[Event] = []
        self._bytes = 0
        self._has_gap = False
        self._waiter: asyncio.Future[None] | None = None

    def push(self, event: Event) -> None:
        """Add one event, or drop all of them when the reader is too far behind."""
        if not self._has_gap:
            self._pending.append(event)
            self._bytes += len(event.body)
            if len(self._pending) > MAX_EVENTS or self._bytes > MAX_BYTES:
                self.mark_gap()
        self._wake()

    def mark_gap(self) -> None:
        """Tell the reader that what it has is not a continuation of what will come."""
        self._pending = []
        self._bytes = 0
        self._has_gap = True
        self._wake()

    async def take(self, patience: float | None) -> list[Event] | None:
        """Everything that waits, oldest first; `[]` after `patience` seconds of silence; `None` for a gap."""
        if not self._pending and not self._has_gap:
            await self._wait(patience)
        if self._has_gap:
            self._has_gap = False
            return None
        taken, self._pending, self._bytes = self._pending, [], 0
        return taken

    async def _wait(self, patience: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(patience, self._wake) if patience is not None else None
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
