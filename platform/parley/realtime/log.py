"""The event log in Valkey: appends of many streams share one round trip, reads fill gaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from parley.realtime.events import Event, entry_id, pack, unpack

log = structlog.get_logger(__name__)

TTL_SECONDS = 3600
MAX_ENTRIES = 4096
MAX_BATCH = 500
LINGER_SECONDS = 0.01
RETRY_SECONDS = 1.0
FAULTS = (RedisError, OSError, asyncio.TimeoutError)

# One call stores every event of a batch and rings its doorbell. What the log refuses (a later attempt has
# already written) rings nothing; the overtaken run learns of it at its next checkpoint. A word has no id: it is
# only rung.
APPEND_SCRIPT = """
for i, key in ipairs(KEYS) do
  local id, body = ARGV[2 * i + 1], ARGV[2 * i + 2]
  if id == '' then
    redis.call('PUBLISH', key, body)
  else
    local added = redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[2], id, 'b', body)
    if type(added) ~= 'table' then
      redis.call('EXPIRE', key, ARGV[1])
      redis.call('PUBLISH', key, id .. ' ' .. body)
    end
  end
end
"""

# The stream or channel, the id in the stream ('' for a word), the text.
Entry = tuple[str, str, str]


def entry_of(key: str, attempt: int, event: Event) -> Entry:
    """An event as `append_arguments` takes it."""
    return key, entry_id(attempt, event.seq), pack(event)


def append_arguments(entries: Sequence[Entry]) -> tuple[list[str], list[str | int]]:
    """Keys and arguments of `APPEND_SCRIPT`."""
    keys: list[str] = []
    arguments: list[str | int] = [TTL_SECONDS, MAX_ENTRIES]
    for key, identifier, body in entries:
        keys.append(key)
        arguments += identifier, body
    return keys, arguments


def decode_entries(entries: Any, after: int) -> list[Event]:
    """Events numbered above `after` from what XRANGE and XREAD return, rising, without repeats."""
    events: list[Event] = []
    last = after
    for identifier, fields in entries:
        event = unpack(identifier, fields["b"])
        if event.seq > last:
            events.append(event)
            last = event.seq
    return events


class EventLog:
    """Writes and reads the logs of all streams over one shared client.

    Appending never waits and never raises: while Valkey is away events are dropped from the log (readers
    then live on snapshots) and `is_down` is true.
    """

    def __init__(self, client: Redis) -> None:
        self._append = client.register_script(APPEND_SCRIPT)
        self._client = client
        self._pending: list[Entry] = []
        self._flusher: asyncio.Task[None] | None = None
        self._flushed_at = 0.0
        self._retry_at = 0.0

    @property
    def is_down(self) -> bool:
        """Whether the last word from Valkey was a failure."""
        return self._retry_at > 0.0

    def append(self, key: str, attempt: int, event: Event) -> None:
        """Queue one event of a stream; it travels with the next batch."""
        self._queue(entry_of(key, attempt, event))

    def publish(self, channel: str, word: str) -> None:
        """Ring a doorbell that has no log behind it, with the next batch; silence is acceptable."""
        self._queue((channel, "", word))

    def _queue(self, entry: Entry) -> None:
        if self._retry_at and time.monotonic() < self._retry_at:
            return
        self._pending.append(entry)
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush_all())

    async def flush(self) -> None:
        """Wait until everything queued so far was sent or given up."""
        while self._flusher is not None:
            await asyncio.shield(self._flusher)

    async def read(self, key: str, after: int) -> list[Event]:
        """Events numbered above `after`. Raises one of `FAULTS` when Valkey cannot be asked.

        Ids start with the attempt and numbers continue over attempts, so the range may begin at the first
        attempt's `after`.
        """
        entries: Any = await self._client.xrange(key, min=f"({entry_id(1, after)}")
        self._recovered()
        return decode_entries(entries, after)

    async def _flush_all(self) -> None:
        try:
            while self._pending:
                since = time.monotonic() - self._flushed_at
                if since < LINGER_SECONDS:
                    await asyncio.sleep(LINGER_SECONDS - since)
                batch, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
                await self._send(batch)
        finally:
            self._flusher = None

    async def _send(self, batch: list[Entry]) -> None:
        keys, arguments = append_arguments(batch)
        try:
            await self._append(keys=keys, args=arguments)
        except FAULTS as error:
            self._pending.clear()
            self._failed(error)
            return
        self._flushed_at = time.monotonic()
        self._recovered()

    def _failed(self, error: Exception) -> None:
        if not self._retry_at:
            log.warning("realtime.degraded", error=type(error).__name__)
        self._retry_at = time.monotonic() + RETRY_SECONDS

    def _recovered(self) -> None:
        if self._retry_at:
            log.info("realtime.recovered")
        self._retry_at = 0.0
