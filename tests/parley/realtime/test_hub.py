"""Streams and their readers, on a real Valkey."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from parley.realtime import Event, Hub, Snapshot, SnapshotLoader, Writer
from parley.realtime import hub as hub_module
from parley.realtime.follower import MAX_EVENTS, Follower
from parley.realtime.log import Entry, EventLog
from parley.realtime.offline import append_event, read_events

pytestmark = pytest.mark.usefixtures("django_db_setup")


class Story:
    """What a run has produced so far, and the rows that would hold it."""

    def __init__(self) -> None:
        self.text = ""
        self.durable = Snapshot(0, _frame("snapshot", ""))

    def state(self, seq: int) -> Snapshot:
        return Snapshot(seq, _frame("snapshot", self.text))

    def checkpoint(self, seq: int) -> None:
        self.durable = self.state(seq)

    def finish(self, seq: int) -> None:
        self.durable = Snapshot(seq - 1, _frame("snapshot", self.text), Event(seq, _frame("end"), True))

    async def load(self) -> Snapshot:
        return self.durable


def _frame(kind: str, text: str = "") -> str:
    return json.dumps({"type": kind, "text": text})


def _key() -> str:
    return f"t:{uuid.uuid4()}:test"


def _make_hub() -> tuple[Hub, list[Redis]]:
    clients = [
        Redis.from_url(settings.VALKEY_URL, decode_responses=True, socket_timeout=timeout) for timeout in (2, None)
    ]
    return Hub(*clients), clients


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub, clients = _make_hub()
    yield hub
    await hub.close()
    for client in clients:
        await client.aclose()


@pytest.fixture
async def other_hub() -> AsyncIterator[Hub]:
    """The hub of another process."""
    hub, clients = _make_hub()
    yield hub
    await hub.close()
    for client in clients:
        await client.aclose()


def _say(story: Story, writer: Writer, text: str) -> None:
    story.text += text
    writer.append(_frame("delta", text))


def _end(story: Story, writer: Writer) -> None:
    story.finish(writer.seq + 1)
    writer.append(_frame("end"), is_last=True)
    writer.close()


def _joined(items: list[Event | Snapshot]) -> str:
    text = ""
    for item in items:
        frame = json.loads(item.body)
        text = frame["text"] if isinstance(item, Snapshot) else text + frame["text"]
    return text


async def _read(
    hub: Hub, key: str, load: SnapshotLoader, *, after: int = 0, most: int = 10**6
) -> list[Event | Snapshot]:
    items: list[Event | Snapshot] = []
    async with aclosing(hub.follow(key, after=after, load=load)) as batches:
        async for batch in batches:
            items += batch
            if len(items) >= most:
                break
    return items


async def test_readers_of_the_same_process_need_no_valkey(hub: Hub) -> None:
    story, key = Story(), _key()
    hub.log.append = lambda *arguments: None  # type: ignore[method-assign] # the log hears nothing
    writer = hub.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
    reader = asyncio.create_task(_read(hub, key, story.load))
    await asyncio.sleep(0)
    for number in range(5):
        _say(story, writer, f"word{number} ")
        await asyncio.sleep(0)
    _end(story, writer)
    items = await asyncio.wait_for(reader, 2)
    assert [item.seq for item in items] == [1, 2, 3, 4, 5, 6]
    assert _joined(items) == story.text


async def test_another_process_hears_the_stream(hub: Hub, other_hub: Hub) -> None:
    story, key = Story(), _key()
    writer = hub.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
    _say(story, writer, "before ")
    reader = asyncio.create_task(_read(other_hub, key, story.load))
    await asyncio.sleep(0.1)
    for number in range(20):
        _say(story, writer, f"w{number} ")
        await asyncio.sleep(0.005)
    _end(story, writer)
    items = await asyncio.wait_for(reader, 3)
    assert [item.seq for item in items] == list(range(1, 23))
    assert _joined(items) == story.text


async def test_a_hundred_streams_with_random_disconnects_are_equal_byte_for_byte(hub: Hub, other_hub: Hub) -> None:
    """S-01: readers of both processes leave and resume by number; snapshot and deltas make the stored text."""
    dice = random.Random(7)

    async def write(story: Story, key: str) -> None:
        writer = hub.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
        for number in range(40):
            _say(story, writer, f"é{number}\u2028 ")
            if number % 8 == 0:
                story.checkpoint(writer.seq)
            await asyncio.sleep(dice.random() * 0.01)
        _end(story, writer)

    async def read(story: Story, key: str, where: Hub) -> None:
        text, last = "", 0
        seen: list[int] = []
        while True:
            most = dice.randint(1, 12) if len(seen) < 30 else 10**6
            for item in await _read(where, key, story.load, after=last, most=most):
                text = (
                    json.loads(item.body)["text"]
                    if isinstance(item, Snapshot)
                    else text + json.loads(item.body)["text"]
                )
                seen.append(item.seq)
                last = item.seq
                if isinstance(item, Event) and item.is_last:
                    assert text == story.text
                    assert seen == sorted(set(seen))
                    return

    jobs = []
    for number in range(100):
        story, key = Story(), _key()
        jobs += [write(story, key), read(story, key, hub if number % 2 else other_hub)]
    await asyncio.wait_for(asyncio.gather(*jobs), 30)


async def test_a_trimmed_or_lost_log_becomes_a_snapshot(hub: Hub, other_hub: Hub) -> None:
    """S-04: what Valkey forgot is read from the rows."""
    story, key = Story(), _key()
    writer = hub.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
    for number in range(10):
        _say(story, writer, f"w{number} ")
    story.checkpoint(writer.seq)
    await hub.log.flush()
    client = Redis.from_url(settings.VALKEY_URL)
    await client.delete(key)
    await client.aclose()
    reader = asyncio.create_task(_read(other_hub, key, story.load, after=3))
    await asyncio.sleep(0.1)
    _say(story, writer, "after")
    _end(story, writer)
    items = await asyncio.wait_for(reader, 5)
    assert isinstance(items[0], Snapshot)
    assert _joined(items) == story.text


async def test_without_valkey_readers_elsewhere_live_on_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-04: nothing is lost while Valkey is away, only the view becomes coarse."""
    monkeypatch.setattr(hub_module, "POLL_SECONDS", 0.05)
    dead = [Redis(port=1, decode_responses=True, retry=Retry(NoBackoff(), 0)) for _ in range(4)]
    writing, reading = Hub(dead[0], dead[1]), Hub(dead[2], dead[3])
    story, key = Story(), _key()
    writer = writing.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
    near = asyncio.create_task(_read(writing, key, story.load))
    far = asyncio.create_task(_read(reading, key, story.load))
    await asyncio.sleep(0)
    for number in range(5):
        _say(story, writer, f"w{number} ")
        story.checkpoint(writer.seq)
        await asyncio.sleep(0.1)
    _end(story, writer)
    assert _joined(await asyncio.wait_for(near, 2)) == story.text
    assert _joined(await asyncio.wait_for(far, 5)) == story.text
    assert writing.log.is_down
    await writing.close()
    await reading.close()


async def test_an_overtaken_attempt_writes_nothing(hub: Hub) -> None:
    """S-07: the log refuses a smaller attempt, whatever number its event has."""
    key = _key()
    log = hub.log
    log.append(key, 1, Event(1, "a"))
    log.append(key, 2, Event(2, "b"))
    log.append(key, 1, Event(9, "zombie"))
    log.append(key, 2, Event(2, "again"))
    await log.flush()
    assert [event.body for event in await log.read(key, 0)] == ["a", "b"]


def test_sweepers_read_and_close_a_log_without_an_event_loop() -> None:
    key = _key()
    append_event(key, attempt=1, event=Event(1, "a"))
    append_event(key, attempt=2, event=Event(2, "b", True))
    append_event(key, attempt=1, event=Event(3, "zombie"))
    assert read_events(key) == [Event(1, "a"), Event(2, "b", True)]


async def test_many_streams_share_round_trips(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    send = EventLog._send

    async def counted(self: EventLog, batch: list[Entry]) -> None:
        sent.append(len(batch))
        await send(self, batch)

    monkeypatch.setattr(EventLog, "_send", counted)
    keys = [_key() for _ in range(200)]
    for number in range(1, 6):
        for key in keys:
            hub.log.append(key, 1, Event(number, "x"))
    await hub.log.flush()
    assert sum(sent) == 1000
    assert len(sent) <= 4


async def test_a_slow_reader_costs_a_snapshot_and_not_memory() -> None:
    """S-09: 256 events or 1 MB, then one gap."""
    follower = Follower()
    for number in range(MAX_EVENTS + 1):
        follower.push(Event(number, "x"))
    assert await follower.take(None) is None
    follower.push(Event(999, "y"))
    assert await follower.take(None) == [Event(999, "y")]
    follower.push(Event(1000, "z" * 1_000_001))
    assert await follower.take(None) is None
    assert await follower.take(0.01) == []


async def test_words_reach_listeners_everywhere(hub: Hub, other_hub: Hub) -> None:
    key, heard = _key(), []
    stop = hub.listen(key, lambda word: heard.append(f"near {word}"))
    other_hub.listen(key, lambda word: heard.append(f"far {word}"))
    await asyncio.sleep(0.15)
    hub.announce(key, "news")
    await asyncio.sleep(0.15)
    assert set(heard) == {"near news", "far news"}
    stop()


@hypothesis_settings(max_examples=30, deadline=None)
@given(
    pieces=st.lists(st.text(min_size=1, max_size=5), max_size=25),
    checkpoints=st.sets(st.integers(0, 25)),
    joins=st.integers(0, 25),
    after=st.integers(0, 25),
    is_remote=st.booleans(),
)
def test_snapshot_and_events_equal_the_fresh_state(
    pieces: list[str], checkpoints: set[int], joins: int, after: int, is_remote: bool
) -> None:
    """S-12: whenever a reader joins and whatever it already had, it ends with the stored text."""

    async def play() -> None:
        near, clients = _make_hub()
        far, more = _make_hub()
        story, key = Story(), _key()
        writer = near.open(key, attempt=1, after=0, snapshot=lambda: story.state(writer.seq))
        texts, reader, had = [""], None, 0
        for number, piece in enumerate([*pieces, None]):
            if reader is None and (number >= joins or piece is None):
                had = min(after, writer.seq)
                await near.log.flush()
                reader = asyncio.create_task(_read(far if is_remote else near, key, story.load, after=had))
                await asyncio.sleep(0)
            if piece is None:
                _end(story, writer)
            else:
                _say(story, writer, piece)
                texts.append(story.text)
                if number in checkpoints:
                    story.checkpoint(writer.seq)
        assert reader is not None
        text = texts[had]
        for item in await asyncio.wait_for(reader, 5):
            piece = json.loads(item.body)["text"]
            text = piece if isinstance(item, Snapshot) else text + piece
        assert text == story.text
        for hub in (near, far):
            await hub.close()
        for client in [*clients, *more]:
            await client.aclose()

    asyncio.run(play())
