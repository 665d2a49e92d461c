"""`/v1/chat/completions` and `/v1/models`: the same runs and rows as every other door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.assistants import selectors as assistants
from apps.assistants.policies import PRODUCTION
from apps.conversations.contracts import Accepted
from apps.conversations.enums import Channel
from apps.conversations.openai.errors import error_body, error_of, failure_of, unknown_model, with_openai_errors
from apps.conversations.openai.requests import ChatCompletion, read_request
from apps.conversations.services import conversations, messages, stopping
from apps.conversations.services.following import follow_generation
from parley.db import uuid7
from parley.db.threads import in_thread
from parley.errors import NotFound, Problem, Unavailable
from parley.tenancy import tenant_tx
from parley.web.access import AccessRule, authenticate_bearer
from parley.web.actors import Actor, acting_as

HEARTBEAT_SECONDS = 15.0


class _Answer:
    """What is known of an answer while and after it is written."""

    def __init__(self, accepted: Accepted, completion: ChatCompletion) -> None:
        self.accepted = accepted
        self.completion = completion
        self.created = int(accepted.generation_id.int >> 80) // 1000

    def chunk(self, delta: dict[str, Any], *, finish: str | None = None, **extra: Any) -> bytes:
        """One event of the stream."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**self.head("chat.completion.chunk"), "choices": [choice], **extra})

    def head(self, kind: str) -> dict[str, Any]:
        """The members that every object of an answer has."""
        identifier = f"chatcmpl-{self.accepted.generation_id}"
        return {"id": identifier, "object": kind, "created": self.created, "model": self.completion.model}


@csrf_exempt  # the door looks at the key only, never at cookies
@with_openai_errors
async def chat_completions(request: HttpRequest) -> HttpResponseBase:
    """`POST /v1/chat/completions`. The model is an assistant's slug, or `slug@label` for what a label stands on."""
    if request.method != "POST":
        return JsonResponse(error_body(405, "Use POST."), status=405, headers={"Allow": "POST"})
    actor = await authenticate_bearer(request)
    actor.require("conversations.chat")
    completion = read_request(request.body)
    answer = _Answer(await in_thread(_accept, actor, completion), completion)
    if completion.is_stream:
        response = StreamingHttpResponse(_stream(actor, answer), content_type="text/event-stream")
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Accel-Buffering"] = "no"
        return response
    return JsonResponse(await _whole(actor, answer))


chat_completions.access_rule = AccessRule(permissions={"POST": "conversations.chat"})  # type: ignore[attr-defined] # A-01


@csrf_exempt  # as above
@with_openai_errors
async def model_list(request: HttpRequest) -> HttpResponseBase:
    """`GET /v1/models`: published assistants."""
    if request.method not in ("GET", "HEAD"):
        return JsonResponse(error_body(405, "Use GET."), status=405, headers={"Allow": "GET"})
    actor = await authenticate_bearer(request)
    actor.require("assistants.view")
    return JsonResponse({"object": "list", "data": await in_thread(_models, actor)})


model_list.access_rule = AccessRule(permissions={"GET": "assistants.view"})  # type: ignore[attr-defined] # A-01


@csrf_exempt  # as above
@with_openai_errors
async def model_detail(request: HttpRequest, slug: str) -> HttpResponseBase:
    """`GET /v1/models/{slug}`."""
    if request.method not in ("GET", "HEAD"):
        return JsonResponse(error_body(405, "Use GET."), status=405, headers={"Allow": "GET"})
    actor = await authenticate_bearer(request)
    actor.require("assistants.view")
    for model in await in_thread(_models, actor):
        if model["id"] == slug:
            return JsonResponse(model)
    raise unknown_model(slug)


model_detail.access_rule = AccessRule(permissions={"GET": "assistants.view"})  # type: ignore[attr-defined] # A-01


def _models(actor: Actor) -> list[dict[str, Any]]:
    with tenant_tx(actor.tenant.id):
        rows = assistants.list_assistants().exclude(published_version=None).filter(is_paused=False)
        return [
            {
                "id": row.slug,
                "object": "model",
                "created": int(row.created_at.timestamp()),
                "owned_by": actor.tenant.slug,
            }
            for row in rows
        ]


def _accept(actor: Actor, completion: ChatCompletion) -> Accepted:
    with acting_as(actor), tenant_tx(actor.tenant.id):
        try:
            slug, _, label = completion.model.partition("@")
            conversation = conversations.start_conversation(
                actor=actor, assistant=slug, label=label or PRODUCTION, channel=Channel.OPENAI
            )
        except NotFound:
            raise unknown_model(completion.model) from None
        return messages.send_message(
            conversation_id=conversation.id,
            text=completion.question,
            client_id=str(uuid7()),
            overrides=completion.overrides,
            given=completion.given,
        )


# -- answers ----------------------------------------------------------------------------------------


async def _frames(actor: Actor, generation_id: UUID) -> AsyncGenerator[list[dict[str, Any]] | None]:
    """Frames in batches; None after each quarter of a minute of silence. Cancels the run when abandoned.

    Unlike a chat page an API call has one reader, who will not come back: nobody would read the rest.
    """
    is_over = False
    waiting: asyncio.Future[Any] | None = None
    batches = follow_generation(generation_id, tenant_id=actor.tenant.id)
    try:
        async with aclosing(batches):
            waiting = asyncio.ensure_future(anext(batches, None))
            while True:
                if not (await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS))[0]:
                    yield None
                    continue
                batch = waiting.result()
                if batch is None:
                    is_over = True
                    return
                found = [json.loads(item.body) for item in batch]
                is_over = found[-1]["type"] in ("generation.completed", "generation.failed")
                yield found
                if is_over:
                    return
                waiting = asyncio.ensure_future(anext(batches, None))
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
        if not is_over:
            await asyncio.shield(in_thread(_cancel, actor, generation_id))


def _cancel(actor: Actor, generation_id: UUID) -> None:
    with tenant_tx(actor.tenant.id):
        stopping.cancel_generation(generation_id)


async def _whole(actor: Actor, answer: _Answer) -> dict[str, Any]:
    async with aclosing(_frames(actor, answer.accepted.generation_id)) as batches:
        async for batch in batches:
            for frame in batch or ():
                if frame["type"] == "generation.failed":
                    raise failure_of(frame)
                if frame["type"] == "generation.completed":
                    message = frame["message"]
                    choice = {
                        "index": 0,
                        "message": {"role": "assistant", "content": message["text"], "refusal": None},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                    return {
                        **answer.head("chat.completion"),
                        "choices": [choice],
                        "usage": _usage(message),
                        "citations": message["citations"],
                    }
    raise Unavailable("The answer could not be followed to its end. Try again.")


async def _stream(actor: Actor, answer: _Answer) -> AsyncGenerator[bytes]:
    yield answer.chunk({"role": "assistant", "content": ""})
    said = ""
    try:
        async with aclosing(_frames(actor, answer.accepted.generation_id)) as batches:
            async for batch in batches:
                if batch is None:
                    yield b": still there\n\n"
                for frame in batch or ():
                    if frame["type"] == "generation.failed":
                        yield _event(error_of(failure_of(frame)))
                        return
                    text = _new_text(frame, said)
                    if text:
                        said += text
                        yield answer.chunk({"content": text})
                    if frame["type"] == "generation.completed":
                        for last in _last_chunks(answer, frame["message"]):
                            yield last
    except Problem as problem:
        yield _event(error_of(problem))


def _new_text(frame: dict[str, Any], said: str) -> str:
    if frame["type"] == "generation.delta":
        return str(frame["text"])
    if frame["type"] == "generation.snapshot":
        return str(frame["text"])[len(said) :]
    return ""


def _last_chunks(answer: _Answer, message: dict[str, Any]) -> list[bytes]:
    chunks = [answer.chunk({}, finish="stop", citations=message["citations"])]
    if answer.completion.includes_usage:
        chunks.append(_event({**answer.head("chat.completion.chunk"), "choices": [], "usage": _usage(message)}))
    return [*chunks, b"data: [DONE]\n\n"]


def _usage(message: dict[str, Any]) -> dict[str, int]:
    usage = message["usage"]
    read, written = usage["input_tokens"], usage["output_tokens"]
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
