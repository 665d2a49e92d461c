"""Socket addresses."""

from typing import Any

from django.urls import path

from apps.conversations.consumers.socket import conversation_socket

# `path` is typed for views; the router of Channels calls what it finds with scope, receive and send.
_socket: Any = conversation_socket

websocket_urlpatterns: list[Any] = [path("ws/v1/conversations/<uuid:conversation_id>/", _socket)]
