"""What travels: an event is encoded once, then the same text goes to the log and to every reader."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_LAST = "!"
_MORE = "."


@dataclass(frozen=True, slots=True)
class Event:
    """One numbered piece of news of a stream.

    `seq` starts at 1 and rises by one within a stream. `body` is the frame as readers receive it (one line of
    JSON). Nothing follows an event whose `is_last` is true.
    """

    seq: int
    body: str
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state up to and including `seq`, for a reader who missed events.

    `last` is the closing event when the stream has ended; its number is `seq + 1`.
    """

    seq: int
    body: str
    last: Event | None = None


Item = Event | Snapshot
SnapshotLoader = Callable[[], Awaitable[Snapshot]]


def entry_id(attempt: int, seq: int) -> str:
    """The log's own id of an event.

    The attempt comes first, so the log refuses whatever an overtaken attempt still writes: its ids are
    smaller than those of its successor. A duplicate is refused for the same reason.
    """
    return f"{attempt}-{seq}"


def pack(event: Event) -> str:
    """The text kept in the log: a closing mark, then the frame."""
    return (_LAST if event.is_last else _MORE) + event.body


def unpack(identifier: str, packed: str) -> Event:
    """The event that `pack` and `entry_id` made."""
    return Event(int(identifier.partition("-")[2]), packed[1:], packed[0] == _LAST)


def unpack_message(message: str) -> Event:
    """The event of a doorbell message."""
    identifier, _, packed = message.partition(" ")
    return unpack(identifier, packed)
