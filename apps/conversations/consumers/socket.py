"""The WebSocket of a conversation, as plain ASGI: every layer between a token and its reader costs each token.

Frames are those of the contract. A socket starts, resumes and cancels runs; it never owns one.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from typing import Any
from uuid import UUID

import structlog

from apps.conversations import frames, selectors
from apps.conversations.blocks import BlockRenderer
from apps.conversations.consumers import admission
from apps.conversations.services import limits, messages, stopping
from apps.conversations.services.following import follow_generation
from parley.db.threads import in_thread
from parley.errors import Invalid, Problem
from parley.realtime import Item, Snapshot, get_hub
from parley.tenancy import tenant_tx, use_tenant
from parley.web.actors import Actor, acting_as
from parley.web.markdown import render_markdown
from parley.web.problems import problem_body

log = structlog.get_logger(__name__)

AUTH_SECONDS = 5.0
MAX_FRAME = 64 * 1024
# A revoked key or membership closes its sockets within this time.
RECHECK_SECONDS = 30.0
STALL_SECONDS = 30.0

BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, TOO_SLOW, TOO_BIG, TOO_MANY = 4400, 4401, 4404, 4408, 1009, 4429


class _Closed(Exception):
    """The socket has to end; `code` None when the reader has already gone."""

    def __init__(self, code: int | None) -> None:
        self.code = code


async def conversation_socket(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application of `/ws/v1/conversations/{id}/`."""
    await receive()
    is_own = admission.is_own_origin(scope)
    if is_own is False:
        await send({"type": "websocket.close", "code": 4403})
        return
    socket = _Socket(scope, receive, send)
    try:
        await send({"type": "websocket.accept"})
        await socket.serve(may_use_session=is_own is True)
    except _Closed as closed:
        if closed.code is not None:
            await send({"type": "websocket.close", "code": closed.code})
    finally:
        await socket.leave()


class _Socket:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self._scope = scope
        self._receive = receive
        self._send_message = send
        self._conversation_id: UUID = scope["url_route"]["kwargs"]["conversation_id"]
        self._actor: Actor | None = None
        self._token: str | None = None
        self._renders = b"render=1" in scope.get("query_string", b"")
        self._pace = admission.Pace()
        self._followed: dict[UUID, asyncio.Task[None]] = {}
        self._stop_listening: Any = None
        self._checked_at = time.monotonic()
        self._failure: int | None = None
        self._reader: asyncio.Task[Any] | None = None

    # -- entering -------------------------------------------------------------------------------------
    async def serve(self, *, may_use_session: bool) -> None:
        user = self._scope.get("user")
        if may_use_session and user is not None and user.is_authenticated:
            self._actor = await in_thread(admission.find_actor_by_session, user, self._conversation_id)
        if self._actor is None:
            await self._authenticate()
        assert self._actor is not None
        tenant_id = self._actor.tenant.id
        with use_tenant(tenant_id):
            key = frames.news_key(self._conversation_id)
        self._stop_listening = get_hub().listen(key, self._news)
        await self._say({"type": "ready", "conversation_id": str(self._conversation_id)})
        while True:
            await self._handle(await self._next_frame())

    async def _authenticate(self) -> None:
        try:
            async with asyncio.timeout(AUTH_SECONDS):
                frame = await self._next_frame()
        except TimeoutError:
            raise _Closed(UNAUTHORIZED) from None
        token = frame.get("token")
        if frame.get("type") != "auth" or not isinstance(token, str):
            await self._complain("Send an auth frame with a token first.")
            raise _Closed(UNAUTHORIZED)
        self._token = token
        self._actor = await in_thread(admission.find_actor_by_token, token)
        if self._actor is None:
            await self._complain("The token is not valid. It may have expired.")
            raise _Closed(UNAUTHORIZED)
        if not await in_thread(admission.may_enter, self._actor, self._conversation_id):
            await self._complain("There is no such conversation.")
            raise _Closed(NOT_FOUND)

    # -- frames in ------------------------------------------------------------------------------------
    async def _next_frame(self) -> dict[str, Any]:
        while True:
            self._reader = asyncio.ensure_future(self._receive())
            try:
                done, _ = await asyncio.wait({self._reader}, timeout=RECHECK_SECONDS)
            except asyncio.CancelledError:
                self._reader.cancel()
                raise
            if self._failure is not None:
                self._reader.cancel()
                raise _Closed(self._failure)
            if not done:
                self._reader.cancel()
                await self._recheck()
                continue
            message = self._reader.result()
            if message["type"] == "websocket.disconnect":
                raise _Closed(None)
            if time.monotonic() - self._checked_at > RECHECK_SECONDS:
                await self._recheck()
            return await self._parse(message.get("text"))

    async def _parse(self, text: str | None) -> dict[str, Any]:
        if not self._pace.is_kept():
            raise _Closed(TOO_MANY)
        if text is not None and (len(text) > MAX_FRAME or len(text.encode()) > MAX_FRAME):
            raise _Closed(TOO_BIG)
        try:
            frame = json.loads(text or "")
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict):
            raise _Closed(BAD_REQUEST)
        return frame

    async def _recheck(self) -> None:
        self._checked_at = time.monotonic()
        if self._actor is None:
            return
        if self._token is not None:
            actor = await in_thread(admission.find_actor_by_token, self._token)
            is_valid = actor is not None and await in_thread(admission.may_enter, actor, self._conversation_id)
        else:
            user = self._scope["user"]
            is_valid = await in_thread(admission.find_actor_by_session, user, self._conversation_id) is not None
        if not is_valid:
            raise _Closed(UNAUTHORIZED)

    async def _handle(self, frame: dict[str, Any]) -> None:
        try:
            match frame.get("type"):
                case "ping":
                    await self._say({"type": "pong"})
                case "message":
                    await self._take_message(frame)
                case "resume":
                    await self._resume(_id(frame, "generation_id"), _number(frame, "after"))
                case "cancel":
                    await in_thread(self._cancel, _id(frame, "generation_id"))
                case "auth":
                    await self._renew(frame)
                case _:
                    await self._complain("There is no such type of frame.")
        except Problem as problem:
            await self._say({**problem_body(problem), "type": "error", "client_id": frame.get("client_id")})

    async def _renew(self, frame: dict[str, Any]) -> None:
        """A fresh token for the same actor keeps a long-lived socket open."""
        token = str(frame.get("token", ""))
        actor = await in_thread(admission.find_actor_by_token, token)
        if actor is None or self._actor is None or actor.id != self._actor.id:
            raise _Closed(UNAUTHORIZED)
        self._token = token

    async def _take_message(self, frame: dict[str, Any]) -> None:
        text, client_id = frame.get("text"), frame.get("client_id")
        if not isinstance(text, str) or not isinstance(client_id, str):
            raise Invalid("A message frame has a text and a client_id.")
        generation_id = await in_thread(self._send, text, client_id)
        self._follow(generation_id, 0)

    def _send(self, text: str, client_id: str) -> UUID:
        assert self._actor is not None
        with acting_as(self._actor), tenant_tx(self._actor.tenant.id):
            limits.require_room(self._actor)
            return messages.send_message(
                conversation_id=self._conversation_id, text=text, client_id=client_id, sender=self._actor
            ).generation_id

    def _cancel(self, generation_id: UUID) -> None:
        assert self._actor is not None
        with acting_as(self._actor), tenant_tx(self._actor.tenant.id):
            generation = selectors.get_generation(self._actor, generation_id)
            selectors.get_conversation(self._actor, generation.conversation_id, to_write=True)
            stopping.cancel_generation(generation_id)

    async def _resume(self, generation_id: UUID, after: int) -> None:
        await in_thread(self._require_own, generation_id)
        if task := self._followed.pop(generation_id, None):
            task.cancel()
        self._follow(generation_id, after)

    def _require_own(self, generation_id: UUID) -> None:
        assert self._actor is not None
        with tenant_tx(self._actor.tenant.id):
            selectors.get_generation(self._actor, generation_id)

    # -- frames out -----------------------------------------------------------------------------------
    def _news(self, word: str) -> None:
        """A run of this conversation began, here or in another tab."""
        self._follow(UUID(word), 0)

    def _follow(self, generation_id: UUID, after: int) -> None:
        if generation_id in self._followed:
            return
        task = asyncio.get_running_loop().create_task(self._forward(generation_id, after))
        self._followed[generation_id] = task

    async def _forward(self, generation_id: UUID, after: int) -> None:
        assert self._actor is not None
        renderer = BlockRenderer() if self._renders else None
        followed = follow_generation(generation_id, tenant_id=self._actor.tenant.id, after=after)
        try:
            async with aclosing(followed) as batches:
                async for batch in batches:
                    for item in batch:
                        if renderer is None:
                            await self._send_text(item.body)
                        else:
                            await self._send_rendered(generation_id, item, renderer)
        except TimeoutError:
            self._fail(TOO_SLOW)
        except OSError:
            # The reader has gone; `serve` hears of it, too.
            return
        except Exception:
            log.exception("socket.follow_failed", generation_id=str(generation_id))
            self._fail(1011)

    async def _send_rendered(self, generation_id: UUID, item: Item, renderer: BlockRenderer) -> None:
        """For pages: closed blocks as HTML beside the frames, and the whole answer's HTML at the end."""
        frame = json.loads(item.body)
        if isinstance(item, Snapshot):
            renderer.reset(frame["text"])
        elif "text" in frame:
            renderer.feed(frame["text"])
        if "message" in frame:
            frame["message"]["html"] = str(render_markdown(frame["message"]["text"]))
            await self._say(frame)
            return
        await self._send_text(item.body)
        for block in renderer.closed():
            await self._say({"type": "render.block", "generation_id": str(generation_id), **block})

    async def _say(self, frame: dict[str, Any]) -> None:
        # What a client sent may come back in an error, halves of surrogate pairs included.
        await self._send_text(frames.clean(json.dumps(frame, ensure_ascii=False)))

    async def _send_text(self, text: str) -> None:
        # A reader that takes nothing for half a minute is gone; its run is not.
        async with asyncio.timeout(STALL_SECONDS):
            await self._send_message({"type": "websocket.send", "text": text})

    async def _complain(self, detail: str) -> None:
        await self._say({"type": "error", "detail": detail})

    # -- leaving --------------------------------------------------------------------------------------
    def _fail(self, code: int) -> None:
        self._failure = code
        if self._reader is not None:
            self._reader.cancel()

    async def leave(self) -> None:
        """Stop following; the runs go on."""
        if self._stop_listening is not None:
            self._stop_listening()
        tasks = list(self._followed.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _id(frame: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(str(frame.get(name)))
    except ValueError as error:
        raise Invalid(f"{name} must be an id.") from error


def _number(frame: dict[str, Any], name: str) -> int:
    value = frame.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 10**9:
        raise Invalid(f"{name} must be the number of an event.")
    return value
