"""Sockets: sessions authenticate people, the first frame authenticates everybody else."""

from __future__ import annotations

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter

from apps.conversations.routing import websocket_urlpatterns

websocket_application = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
