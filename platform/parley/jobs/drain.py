"""A word from the worker's main process to its children: take nothing new, hand back what can be handed back (C-10)."""

from __future__ import annotations

import mmap
import time

# Shared with every child forked after this import: the time at which draining began, 0 for never.
_page = mmap.mmap(-1, 8)


def ask() -> None:
    """In the main process: the worker was told to end."""
    _page[:8] = int(time.time()).to_bytes(8, "big")


def is_asked() -> bool:
    """In a child: whether to take no new work."""
    return _page[:8] != bytes(8)


def asked_for() -> float:
    """In a child: seconds since the worker was told to end; 0 when it was not."""
    since = int.from_bytes(_page[:8], "big")
    return time.time() - since if since else 0.0
