"""A run's frames as server-sent events: any HTTP client can follow, and resume with `Last-Event-ID`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.conversations import selectors
from apps.conversations.models import Generation
from apps.conversations.services import generations
from apps.conversations.services.following import follow_generation
from parley.db.threads import in_thread
from parley.errors import Invalid, Problem
from parley.realtime import Item
from parley.tenancy import tenant_tx
from parley.web.access import AccessRule, authenticate_bearer
from parley.web.actors import Actor
from parley.web.problems import problem_response

# Proxies cut connections that are silent for a minute (S-14).
HEARTBEAT_SECONDS = 15.0
_PERMISSION = "conversations.view"


@csrf_exempt  # the door looks at the key only, never at cookies
async def generation_events(request: HttpRequest, generation_id: UUID) -> HttpResponseBase:
    """`GET …/generations/{id}/events/`. 204 when the reader has seen the closing event already."""
    try:
        if request.method != "GET":
            return _not_allowed()
        actor = await authenticate_bearer(request)
        actor.require(_PERMISSION)
        after = _last_event_id(request)
        generation = await in_thread(_find, actor, generation_id)
    except Problem as problem:
        return problem_response(problem)
    if after >= generation.seq > 0 and not generations.is_open(generation):
        return HttpResponse(status=204)
    response = StreamingHttpResponse(_stream(actor.tenant.id, generation_id, after), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


generation_events.access_rule = AccessRule(permissions={"GET": _PERMISSION})  # type: ignore[attr-defined] # A-01


def _not_allowed() -> HttpResponse:
    problem = Problem("Use GET: this address answers with a stream of events.")
    problem.status, problem.title = 405, "Method Not Allowed"
    response = problem_response(problem)
    response.headers["Allow"] = "GET"
    return response


def _find(actor: Actor, generation_id: UUID) -> Generation:
    with tenant_tx(actor.tenant.id):
        return selectors.get_generation(actor, generation_id)


def _last_event_id(request: HttpRequest) -> int:
    text = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not text.isdecimal() or len(text) > 9:
        raise Invalid("Last-Event-ID must be the number of an event of this generation.")
    return int(text)


async def _stream(tenant_id: UUID, generation_id: UUID, after: int) -> AsyncGenerator[bytes]:
    async with aclosing(follow_generation(generation_id, after=after, tenant_id=tenant_id)) as batches:
        while True:
            waiting = asyncio.ensure_future(anext(batches, None))
            while not (await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS))[0]:
                yield b": still there\n\n"
            batch = waiting.result()
            if batch is None:
                return
            yield b"".join(_encode(item) for item in batch)


def _encode(item: Item) -> bytes:
    return f"id: {item.seq}\nevent: {_kind(item.body)}\ndata: {item.body}\n\n".encode()


def _kind(body: str) -> str:
    """The type stands first in every frame: `{"type":"generation.delta",…`."""
    return body[9 : body.index('"', 9)]
