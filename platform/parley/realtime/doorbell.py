"""One subscription connection per process: what other processes publish, for streams that are read here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from parley.realtime.events import Event, unpack_message
from parley.realtime.log import FAULTS, RETRY_SECONDS

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = structlog.get_logger(__name__)


class Doorbell:
    """Keeps the subscriptions of a process and survives the loss of the connection.

    Messages may be lost; `on_gap` is called whenever that could have happened.
    """

    def __init__(
        self,
        client: Redis,
        *,
        on_event: Callable[[str, Event], None],
        on_word: Callable[[str, str], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._client = client
        self._on_event = on_event
        self._on_word = on_word
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._subscribed: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, channel: str) -> None:
        """Hear a channel from soon on; whoever needs certainty reads the log, too."""
        if channel not in self._wanted:
            self._wanted.add(channel)
            self._changed.set()
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    def unsubscribe(self, channel: str) -> None:
        """Stop hearing a channel."""
        if channel in self._wanted:
            self._wanted.discard(channel)
            self._changed.set()

    async def close(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            pubsub: Any = self._client.pubsub(ignore_subscribe_messages=True)
            self._subscribed = set()
            self._changed.set()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._keep_subscribed(pubsub))
            except* FAULTS as error:
                log.warning("realtime.doorbell_lost", error=type(error.exceptions[0]).__name__)
            finally:
                with contextlib.suppress(*FAULTS):
                    await pubsub.aclose()
            await asyncio.sleep(RETRY_SECONDS)
            self._on_gap()

    async def _keep_subscribed(self, pubsub: Any) -> None:
        reader: asyncio.Task[None] | None = None
        try:
            while True:
                await self._wait_for_change(reader)
                added, removed = self._wanted - self._subscribed, self._subscribed - self._wanted
                if added:
                    await pubsub.subscribe(*added)
                if removed:
                    await pubsub.unsubscribe(*removed)
                self._subscribed = (self._subscribed | added) - removed
                if reader is None and self._subscribed:
                    reader = asyncio.create_task(self._read(pubsub))
        finally:
            if reader is not None:
                reader.cancel()

    async def _wait_for_change(self, reader: asyncio.Task[None] | None) -> None:
        changed = asyncio.create_task(self._changed.wait())
        waited = {changed, reader} if reader is not None else {changed}
        try:
            done, _ = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
        if reader is not None and reader in done:
            reader.result()
        self._changed.clear()

    async def _read(self, pubsub: Any) -> None:
        while True:
            message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                self._deliver(message["channel"], message["data"])

    def _deliver(self, channel: str, data: str) -> None:
        # A stream's messages start with the entry's id; a word starts with a letter or an id without a dash.
        head, _, rest = data.partition(" ")
        if rest and "-" in head:
            self._on_event(channel, unpack_message(data))
        else:
            self._on_word(channel, data)
