"""What lives as long as a web process: the checks before it serves, and the generations it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from parley.db.threads import in_thread
from parley.tenancy.roles import UnsafeDatabaseRole, require_restricted_role

log = structlog.get_logger(__name__)


class Lifespan:
    """The ASGI lifespan protocol. A failed start ends the process with its sentence in the log."""

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except UnsafeDatabaseRole as error:
                    log.error("web.refused", reason=str(error))
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        await in_thread(require_restricted_role)
        from apps.conversations.services.runner import start_runner

        await start_runner()

    async def _stop(self) -> None:
        from apps.conversations.services.runner import stop_runner

        await stop_runner()
