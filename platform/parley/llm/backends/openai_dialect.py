"""Streams from servers that speak the OpenAI dialect, at a fortieth of what a general library costs a token."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from parley.llm.backends.connections import ConnectionHistory, session
from parley.llm.backends.estimates import estimated_usage
from parley.llm.backends.faults import error_for_status, error_from_event, place
from parley.llm.backends.sse import SseLines
from parley.llm.errors import LlmError
from parley.llm.events import ChatEvent, Finished, FinishReason, TextDelta, Usage
from parley.llm.guard import require_allowed
from parley.llm.requests import ChatRequest

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_MAX_ERROR_BODY = 65_536
_MOST_STALE_CONNECTIONS = 4
_REASONS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
_json_loads = json.JSONDecoder().decode


async def stream_chat(request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Stream one answer from `request.target.base_url` (OpenAI's own when None).

    Yields `TextDelta`s and one `Finished`; raises `LlmError`. Closing the generator closes the socket at once.
    """
    base_url = request.target.base_url or DEFAULT_BASE_URL
    require_allowed(base_url)
    deadlines = _Deadlines(request)
    response = await _open(request, base_url, deadlines)
    content = response.content
    answer = _Answer(request, base_url)
    lines = SseLines()
    deadlines.watch(content)
    try:
        while block := await content.readany():
            for payload in lines.feed(block):
                if payload == b"[DONE]":
                    yield answer.finish()
                    await _drain(content)
                    return
                text = answer.take(payload)
                deadlines.progressed()
                if text:
                    yield TextDelta(text)
        yield answer.finish()
    except _Expired as error:
        raise deadlines.error(place(base_url)) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise LlmError("bad_response", f"{place(base_url)} broke off in the middle of its answer.") from error
    finally:
        deadlines.stop()
        # Drops the connection instead of returning it to the pool; one that was read to its end has left already.
        response.close()


async def _open(request: ChatRequest, base_url: str, deadlines: "_Deadlines") -> aiohttp.ClientResponse:
    where = place(base_url)
    try:
        async with asyncio.timeout(min(request.timeouts.first_token, request.timeouts.total)):
            response = await _post(request, base_url)
            if response.status != 200:
                await _raise_status(response, request, base_url)
    except aiohttp.ConnectionTimeoutError as error:
        raise LlmError("unreachable", f"{where} does not accept connections. Is the provider running?") from error
    except TimeoutError as error:
        raise deadlines.first_token_error(where) from error
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        raise LlmError("unreachable", f"{where} cannot be reached. Check the address and the network.") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise LlmError("unreachable", f"{where} closed the connection without an answer. Try again.") from error
    return response


async def _post(request: ChatRequest, base_url: str) -> aiohttp.ClientResponse:
    pool = await session()
    body = json.dumps(_body(request, base_url)).encode()
    for _ in range(_MOST_STALE_CONNECTIONS):
        history = ConnectionHistory()
        try:
            return await pool.post(
                f"{base_url.rstrip('/')}/chat/completions",
                data=body,
                headers=_headers(request.target.api_key),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=request.timeouts.connect),
                trace_request_ctx=history,
            )
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
            # A server may close a kept connection just as it is used again; then it never saw the request.
            if not history.was_reused:
                raise
    raise aiohttp.ServerDisconnectedError


async def _raise_status(response: aiohttp.ClientResponse, request: ChatRequest, base_url: str) -> None:
    try:
        body = await response.content.read(_MAX_ERROR_BODY)
    finally:
        response.close()
    raise error_for_status(
        response.status,
        body,
        base_url=base_url,
        model=request.target.model,
        retry_after=response.headers.get("retry-after"),
    )


async def _drain(content: aiohttp.StreamReader) -> None:
    """Read the few bytes after `[DONE]`, so that the connection can serve the next call; give up at once otherwise."""
    try:
        async with asyncio.timeout(0.05):
            while await content.readany():
                pass
    except (TimeoutError, aiohttp.ClientError, ConnectionError):
        return


class _Answer:
    """What has been received of one answer."""

    __slots__ = ("_base_url", "_characters", "_deltas", "_reason", "_request", "_usage")

    def __init__(self, request: ChatRequest, base_url: str) -> None:
        self._request = request
        self._base_url = base_url
        self._deltas = 0
        self._characters = 0
        self._reason: str | None = None
        self._usage: Usage | None = None

    def take(self, payload: bytes) -> str:
        """The text that one event adds, often none. Raises `LlmError` for an error event or what is no JSON."""
        try:
            event = _json_loads(payload.decode())
            choices = event.get("choices")
            if choices:
                choice = choices[0]
                if choice.get("finish_reason") is not None:
                    self._reason = choice["finish_reason"]
                delta = choice.get("delta")
                text = (delta.get("content") if delta else None) or ""
                if text:
                    self._deltas += 1
                    self._characters += len(text)
            else:
                text = ""
                if "error" in event:
                    raise error_from_event(event["error"], base_url=self._base_url)
            if event.get("usage"):
                self._usage = _usage(event["usage"])
        except (ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
            where = place(self._base_url)
            raise LlmError("bad_response", f"{where} sent something that is not an answer. Try again.") from error
        if not isinstance(text, str):
            raise LlmError("bad_response", f"{place(self._base_url)} sent an answer that is not text.")
        return text

    def finish(self) -> Finished:
        """The last event. Raises `LlmError` when the answer was empty or broke off."""
        where = place(self._base_url)
        if self._reason is None:
            raise LlmError("bad_response", f"{where} broke off in the middle of its answer. Try again.")
        reason = _REASONS.get(self._reason, "stop")
        if not self._deltas:
            if reason == "content_filter":
                raise LlmError("refused", f"{where} declined to answer this by its content rules.")
            if reason == "length":
                raise LlmError("bad_response", f"{where} reached its output limit before the first word. Raise it.")
            raise LlmError("bad_response", f"{where} gave an empty answer. Try again.")
        return Finished(
            reason=reason,
            usage=self._usage
            or estimated_usage(self._request.messages, deltas=self._deltas, characters=self._characters),
        )


def _usage(reported: dict[str, Any]) -> Usage:
    details = reported.get("prompt_tokens_details") or {}
    written = reported.get("completion_tokens_details") or {}
    return Usage(
        input_tokens=int(reported.get("prompt_tokens") or 0),
        output_tokens=int(reported.get("completion_tokens") or 0),
        cached_input_tokens=int(details.get("cached_tokens") or 0),
        cache_write_tokens=int(details.get("cache_creation_tokens") or 0),
        image_tokens=int(details.get("image_tokens") or 0),
        reasoning_tokens=int(written.get("reasoning_tokens") or 0),
    )


class _Expired(Exception):
    """A deadline passed; set on the stream to wake its reader."""


class _Deadlines:
    """First-token, between-tokens and total limits of one call with one lazily re-armed timer.

    `asyncio.timeout` around each read would cost more than reading the token, and must not span a `yield`.
    """

    __slots__ = ("_content", "_due", "_end", "_handle", "_limits", "_loop", "_missed")

    def __init__(self, request: ChatRequest) -> None:
        self._limits = request.timeouts
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._end = now + self._limits.total
        self._due = now + self._limits.first_token
        self._missed: Literal["first", "between", "total"] = "first"
        self._handle: asyncio.TimerHandle | None = None
        self._content: aiohttp.StreamReader | None = None

    def watch(self, content: aiohttp.StreamReader) -> None:
        """Start the timer for a response's body."""
        self._content = content
        self._arm()

    def progressed(self) -> None:
        """A token came: from now on the limit between tokens counts."""
        self._missed = "between"
        self._due = self._loop.time() + self._limits.between_tokens

    def stop(self) -> None:
        """No more watching."""
        if self._handle is not None:
            self._handle.cancel()
        self._content = None

    def first_token_error(self, where: str) -> LlmError:
        """The error for no answer within the first-token (or total) limit."""
        seconds = min(self._limits.first_token, self._limits.total)
        return LlmError("timeout", f"{where} sent no word within {seconds:g} seconds. Try again.")

    def error(self, where: str) -> LlmError:
        """The error for the limit that was missed."""
        if self._missed == "first":
            return self.first_token_error(where)
        if self._missed == "between":
            seconds = self._limits.between_tokens
            return LlmError("timeout", f"{where} fell silent for {seconds:g} seconds in its answer. Try again.")
        return LlmError("timeout", f"{where} did not finish its answer within {self._limits.total:g} seconds.")

    def _arm(self) -> None:
        self._handle = self._loop.call_at(min(self._due, self._end), self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if now < self._due and now < self._end:
            self._arm()
        elif self._content is not None:
            if now >= self._end:
                self._missed = "total"
            self._content.set_exception(_Expired())


def _headers(api_key: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
    }
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return headers


def _body(request: ChatRequest, base_url: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.target.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        _limit_name(base_url): request.max_output_tokens,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def _limit_name(base_url: str) -> str:
    # OpenAI refuses the old name for its newer models; the servers that copy its dialect know only the old one.
    return "max_completion_tokens" if urlsplit(base_url).hostname == "api.openai.com" else "max_tokens"
