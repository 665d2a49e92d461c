"""Database work from asynchronous code.

Django runs `sync_to_async` outside a request in a single thread, which would queue all conversations of a
process behind each other. This pool has as many threads as the process may hold connections.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=settings.PARLEY_DB_THREADS, thread_name_prefix="parley-db")


def _call_and_return_connections(func: Callable[[], R]) -> R:
    try:
        return func()
    finally:
        for connection in connections.all(initialized_only=True):
            # Inside an open transaction the connection is somebody's; leaving it is the lesser evil.
            if not connection.in_atomic_block:
                connection.close()


async def in_thread(func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run blocking ORM code on the database pool with the caller's context variables.

    The thread's connections go back to the pool afterwards, so a long stream holds none.
    """
    context = contextvars.copy_context()
    call: Callable[[], R] = lambda: context.run(func, *args, **kwargs)  # noqa: E731 - a bound closure, used once
    return await asyncio.get_running_loop().run_in_executor(_pool(), _call_and_return_connections, call)
