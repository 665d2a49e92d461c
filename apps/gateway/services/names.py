"""What people call the assistants and channels that money is counted for.

They belong to the apps above, which say here how to look them up; the gateway itself knows only their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

_assistants: Callable[[], Mapping[UUID, str]] = dict
_channels: dict[str, str] = {}


def name_assistants_with(read: Callable[[], Mapping[UUID, str]]) -> None:
    """Called once at start: `read` gives the names of the ambient tenant's assistants, in one query."""
    global _assistants
    _assistants = read


def name_channels(labels: Mapping[str, str]) -> None:
    """Called once at start with what each channel is called."""
    _channels.update(labels)


def assistant_names() -> Mapping[UUID, str]:
    """Names of the ambient tenant's assistants; those that were removed are missing."""
    return _assistants()


def channel_names() -> Mapping[str, str]:
    """What each channel is called."""
    return _channels
