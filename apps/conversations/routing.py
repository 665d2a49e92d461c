"""Socket addresses."""

from typing import Any

from django.urls import path

from apps.conversations.consumers.socket import conversation_socket

# `path` is typed for views; the router of Channels calls what it finds with scope, receive and send.
_socket: Any = conversation_socket


async def _nowhere(scope: Any, receive: Any, send: Any) -> None:
    """Refuse the handshake: without this an unknown address would be an error of ours in the log."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


_refusal: Any = _nowhere

websocket_urlpatterns: list[Any] = [
    path("ws/v1/conversations/<uuid:conversation_id>/", _socket),
    path("<path:address>", _refusal),
    path("", _refusal),
]
