"""Keeps a lease alive while its worker lives, so that leases can be short and a killed worker's work waits little."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connections

log = structlog.get_logger(__name__)


@contextmanager
def beating(renew: Callable[[], bool], *, every_seconds: float) -> Iterator[None]:
    """Call `renew` at this distance, in a thread with the caller's context, until the block ends or it says no.

    `renew` opens its own transaction. A database that is away for a beat costs that beat; work of any length may
    go on inside the block, in this process or in a child of it.
    """
    stop = threading.Event()
    context = contextvars.copy_context()

    def beat() -> None:
        try:
            while not stop.wait(every_seconds):
                if not _renewed(renew):
                    return
        finally:
            connections.close_all()

    thread = threading.Thread(target=context.run, args=(beat,), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _renewed(renew: Callable[[], bool]) -> bool:
    try:
        return renew()
    except DatabaseError as error:
        log.warning("lease.not_renewed", error=type(error).__name__)
        return True
