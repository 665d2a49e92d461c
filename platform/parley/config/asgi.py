"""The ASGI application: HTTP, WebSockets, and what a web process runs beside them."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "parley.config.settings.local")

import django

django.setup()

from channels.routing import ProtocolTypeRouter  # noqa: E402 - models exist only after setup()
from django.core.asgi import get_asgi_application  # noqa: E402

from parley.config.lifespan import Lifespan  # noqa: E402
from parley.config.websockets import websocket_application  # noqa: E402

_router = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": websocket_application})
_lifespan = Lifespan()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Dispatch by protocol; `lifespan` starts and stops what lives as long as the process."""
    if scope["type"] == "lifespan":
        await _lifespan(scope, receive, send)
    else:
        await _router(scope, receive, send)
