"""Brings streams and readers of one process together; only what other processes write comes from Valkey."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import structlog

from parley.realtime.doorbell import Doorbell
from parley.realtime.events import Event, Item, Snapshot, SnapshotLoader
from parley.realtime.follower import Follower
from parley.realtime.log import FAULTS, EventLog

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)

# What a stream's own process keeps for readers who return; older readers continue from a snapshot.
RING = 256
# A remote reader asks the log after this much silence, and the database after five times as much.
POLL_SECONDS = 1.0
QUIET_POLLS = 5


class Topic:
    """One stream as this process sees it: its readers, and its writer when it runs here."""

    __slots__ = ("followers", "key", "writer")

    def __init__(self, key: str) -> None:
        self.key = key
        self.followers: set[Follower] = set()
        self.writer: Writer | None = None

    def push(self, event: Event) -> None:
        for follower in self.followers:
            follower.push(event)

    def mark_gap(self) -> None:
        for follower in self.followers:
            follower.mark_gap()


class Writer:
    """The one place in this process where a stream's next event is numbered.

    `snapshot` tells the state after the latest event; readers who come late get it without asking anybody.
    """

    def __init__(self, hub: Hub, topic: Topic, *, attempt: int, after: int, snapshot: Callable[[], Snapshot]) -> None:
        self._hub = hub
        self._topic = topic
        self._ring: deque[Event] = deque(maxlen=RING)
        self._has_ended = False
        self.attempt = attempt
        self.seq = after
        self.snapshot = snapshot

    def append(self, body: str, *, is_last: bool = False) -> Event:
        """Number a frame that was encoded for `seq + 1`, hand it to every reader, queue it for the log."""
        self.seq += 1
        event = Event(self.seq, body, is_last)
        self._ring.append(event)
        self._has_ended = is_last
        self._topic.push(event)
        self._hub.log.append(self._topic.key, self.attempt, event)
        return event

    def since(self, after: int) -> list[Event] | None:
        """The events that follow `after`, or None when they are no longer held."""
        if after > self.seq or after < self.seq - len(self._ring):
            return None
        missed = self.seq - after
        return list(self._ring)[len(self._ring) - missed :] if missed else []

    def close(self) -> None:
        """The stream has ended, or goes on elsewhere; readers who have not seen its end ask again."""
        if self._topic.writer is self:
            self._topic.writer = None
            # A reader that holds the closing event, or knows that it has lost it, needs nothing more.
            if not self._has_ended:
                self._topic.mark_gap()
            self._hub.release(self._topic)


class Hub:
    """All topics of one process and event loop."""

    def __init__(self, client: Redis, subscriber: Redis) -> None:
        self.log = EventLog(client)
        self._topics: dict[str, Topic] = {}
        self._listeners: dict[str, set[Callable[[str], None]]] = {}
        self._doorbell = Doorbell(subscriber, on_event=self._heard, on_word=self._told, on_gap=self._missed)

    def open(self, key: str, *, attempt: int, after: int, snapshot: Callable[[], Snapshot]) -> Writer:
        """Become the stream's writer here. `after` is the number of the last event that exists already."""
        topic = self._topic(key)
        topic.writer = Writer(self, topic, attempt=attempt, after=after, snapshot=snapshot)
        return topic.writer

    async def follow(self, key: str, *, after: int, load: SnapshotLoader) -> AsyncGenerator[list[Item]]:
        """Yield what comes after number `after`, in batches, until the closing event.

        Numbers rise by one; where events are missing a `Snapshot` replaces them. `load` reads the state that
        was made durable; it is asked when neither this process nor the log can help.
        """
        topic = self._topic(key)
        follower = Follower()
        topic.followers.add(follower)
        try:
            async with contextlib.aclosing(self._follow(topic, follower, after, load)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            topic.followers.discard(follower)
            self.release(topic)

    async def _follow(
        self, topic: Topic, follower: Follower, last: int, load: SnapshotLoader
    ) -> AsyncGenerator[list[Item]]:
        needs_all, quiet = True, 0
        while True:
            items: list[Item] = []
            if needs_all:
                if topic.writer is None:
                    self._doorbell.subscribe(topic.key)
                items = await self._catch_up(topic, last, load, asks_rows=quiet == 0)
                needs_all = False
            else:
                taken = await follower.take(None if topic.writer is not None else POLL_SECONDS)
                items = [*_continuation(taken or [], last)]
                has_gap = taken is None or bool(taken and taken[-1].seq > (items[-1].seq if items else last))
                needs_all = has_gap or (not taken and topic.writer is None)
                quiet = 0 if has_gap else quiet + 1
            if items:
                yield items
                last, quiet = items[-1].seq, 1
                if _is_end(items[-1]):
                    return
            quiet %= QUIET_POLLS

    async def _catch_up(self, topic: Topic, last: int, load: SnapshotLoader, *, asks_rows: bool) -> list[Item]:
        """What a reader at `last` needs to be up to date; possibly nothing."""
        if topic.writer is not None:
            held = topic.writer.since(last)
            return [*held] if held is not None else _unrolled(topic.writer.snapshot(), last)
        events, is_known = await self._read(topic.key, last)
        if events and events[0].seq == last + 1:
            return [*_continuation(events, last)]
        if is_known and not events and not asks_rows:
            return []
        items = _unrolled(await load(), last)
        if items and not _is_end(items[-1]):
            events, _ = await self._read(topic.key, items[-1].seq)
            items += _continuation(events, items[-1].seq)
        return items

    async def _read(self, key: str, after: int) -> tuple[list[Event], bool]:
        try:
            return await self.log.read(key, after), True
        except FAULTS:
            return [], False

    # -- words that belong to no stream -------------------------------------------------------------
    def listen(self, key: str, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call back with every word announced under `key`, by any process. Returns what ends it."""
        self._listeners.setdefault(key, set()).add(callback)
        self._doorbell.subscribe(key)

        def stop() -> None:
            callbacks = self._listeners.get(key, set())
            callbacks.discard(callback)
            if not callbacks:
                self._listeners.pop(key, None)
                self._doorbell.unsubscribe(key)

        return stop

    def announce(self, key: str, word: str) -> None:
        """Tell every listener of `key`; those of this process at once. Others may miss it."""
        self._told(key, word)
        self.log.publish(key, word)

    async def close(self) -> None:
        """Send what is queued and let go of the connections."""
        await self.log.flush()
        await self._doorbell.close()

    # -- housekeeping ---------------------------------------------------------------------------------
    def _topic(self, key: str) -> Topic:
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(key)
        return topic

    def release(self, topic: Topic) -> None:
        """Forget a stream that nobody here writes or reads."""
        if topic.writer is None and not topic.followers and self._topics.get(topic.key) is topic:
            del self._topics[topic.key]
            self._doorbell.unsubscribe(topic.key)

    def _heard(self, key: str, event: Event) -> None:
        topic = self._topics.get(key)
        if topic is not None and topic.writer is None:
            topic.push(event)

    def _told(self, key: str, word: str) -> None:
        for callback in list(self._listeners.get(key, ())):
            callback(word)

    def _missed(self) -> None:
        for topic in self._topics.values():
            if topic.writer is None:
                topic.mark_gap()


def _continuation(events: list[Event], last: int) -> list[Event]:
    """The part of `events` that follows `last` without a gap."""
    fresh: list[Event] = []
    for event in events:
        if event.seq == last + 1:
            fresh.append(event)
            last = event.seq
            if event.is_last:
                break
        elif event.seq > last:
            break
    return fresh


def _unrolled(snapshot: Snapshot, last: int) -> list[Item]:
    """What a snapshot means for a reader at `last`: itself when it is news, then the end if there is one."""
    items: list[Item] = [snapshot] if snapshot.seq > last else []
    if snapshot.last is not None:
        items.append(snapshot.last)
    return items


def _is_end(item: Item) -> bool:
    return isinstance(item, Event) and item.is_last
