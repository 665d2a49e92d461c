"""A request id for every request, and one log line when it is answered."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

log = structlog.get_logger(__name__)

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_UNLOGGED_PATHS = ("/healthz", "/readyz", "/static/")

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class RequestLogMiddleware:
    """Binds `request_id` for all log lines of a request and answers it as `X-Request-ID`.

    A caller's own id is kept when it looks like one. Outermost, so that nothing escapes it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self._answer_async(request) if self.is_async else self._answer(request)

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        request_id, started = _begin(request)
        response = self.get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _end(request, response, request_id, started)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        request_id, started = _begin(request)
        response = await self.get_response(request)  # type: ignore[misc] # async by the flag above
        return _end(request, response, request_id, started)


def _begin(request: HttpRequest) -> tuple[str, float]:
    offered = request.headers.get("X-Request-ID", "")
    request_id = offered if _ACCEPTABLE_ID.fullmatch(offered) else uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id, time.perf_counter()


def _end(request: HttpRequest, response: HttpResponseBase, request_id: str, started: float) -> HttpResponseBase:
    response.headers["X-Request-ID"] = request_id
    if not request.path.startswith(_UNLOGGED_PATHS):
        tenant = getattr(request, "tenant", None)
        match = request.resolver_match
        log.info(
            "request.answered",
            method=request.method,
            route=match.route if match else None,
            status=response.status_code,
            ms=round((time.perf_counter() - started) * 1000, 1),
            tenant_id=str(tenant.id) if tenant else None,
        )
    return response
