"""The fake provider's HTTP: a bare asyncio protocol, because a thousand streams must not be its own bottleneck."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import httptools

from parley.llm.fake import replies
from parley.llm.fake.calls import Call, Record
from parley.llm.fake.scripts import Script, script_for

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


class ScriptBook(Protocol):
    """Finds the script of a call and may learn new ones."""

    record: Record

    def find(self, name: str, body: dict[str, Any]) -> Script | None: ...

    def learn(self, model: str, script: Script) -> None: ...


class FakeProtocol(asyncio.Protocol):
    """One client connection: requests one after another, answers by script."""

    def __init__(self, book: ScriptBook, live: set["FakeProtocol"]) -> None:
        self._book = book
        self._live = live
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._call: Call | None = None
        self._url = b""
        self._body = bytearray()
        self._headers: dict[bytes, bytes] = {}

    # -- asyncio -------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._book.record.opened_sockets += 1
        self._live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._book.record.closed_sockets += 1
        self._live.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._call is not None and self._call.ended_at is None:
            self._call.was_closed_by_client = True
            self._call.ended_at = time.monotonic()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection, as a crashed provider would."""
        if self._call is not None and self._call.ended_at is None:
            self._call.ended_at = time.monotonic()
        self._transport.abort()

    # -- httptools -----------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()
        self._headers.clear()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path = self._url.split(b"?")[0].decode()
        method = self._parser.get_method()
        if method == b"GET":
            self._get(path)
            return
        try:
            body = json.loads(bytes(self._body) or b"{}")
        except ValueError:
            self._respond(400, replies.compact({"error": {"message": "not JSON", "type": "invalid_request_error"}}))
            return
        self._post(path, body)

    # -- what is asked -------------------------------------------------------------------------------
    def _get(self, path: str) -> None:
        if path.endswith("/models"):
            data = [{"id": "fake", "object": "model", "created": 1700000000, "owned_by": "parley"}]
            self._respond(200, replies.compact({"object": "list", "data": data}))
        elif path == "/fake/stats":
            record = self._book.record
            body = {
                "calls": [call.as_dict() for call in record.calls],
                "open_sockets": record.open_sockets,
                "closed_sockets": record.closed_sockets,
            }
            self._respond(200, replies.compact(body))
        elif path in ("/health", "/healthz"):
            self._respond(200, b'{"status":"ok"}')
        else:
            self._respond(404, replies.compact({"error": {"message": "no such path", "type": "not_found"}}))

    def _post(self, path: str, body: dict[str, Any]) -> None:
        if path == "/fake/scripts":
            self._book.learn(str(body.pop("model")), Script(**body))
            self._respond(200, b"{}")
        elif path == "/fake/reset":
            self._book.record.clear()
            self._respond(200, b"{}")
        elif path.endswith("/chat/completions"):
            self._chat(path, body)
        elif path.endswith("/embeddings"):
            self._embed(path, body)
        elif path.endswith("/rerank"):
            self._rerank(path, body)
        else:
            self._respond(404, replies.compact({"error": {"message": "no such path", "type": "not_found"}}))

    def _remember(self, path: str, body: dict[str, Any]) -> Call:
        call = Call(
            path=path,
            model=str(body.get("model", "")),
            body=body,
            has_key=b"authorization" in self._headers,
            api_key=self._headers.get(b"authorization", b"").decode().removeprefix("Bearer "),
            received_at=time.monotonic(),
        )
        self._call = call
        self._book.record.calls.append(call)
        return call

    def _find_script(self, body: dict[str, Any]) -> Script:
        header = self._headers.get(b"x-fake-script", b"").decode()
        found = script_for(header) if header else self._book.find(str(body.get("model", "")), body)
        return found or Script()

    def _embed(self, path: str, body: dict[str, Any]) -> None:
        call = self._remember(path, body)
        script = self._find_script(body)
        if self._fails_at_once(script):
            return
        self._respond(200, b"{not json" if script.fault == "bad-json" else replies.embeddings(body, script.dimensions))
        call.is_complete = script.fault is None

    def _rerank(self, path: str, body: dict[str, Any]) -> None:
        call = self._remember(path, body)
        script = self._find_script(body)
        if self._fails_at_once(script):
            return
        self._respond(200, b"{not json" if script.fault == "bad-json" else replies.reranking(body))
        call.is_complete = script.fault is None

    def _fails_at_once(self, script: Script) -> bool:
        fault = script.fault
        if fault is None:
            return False
        if fault == "refuse":
            self.abort()
            return True
        if fault == "hang-first":
            return True
        error = replies.error_for(fault)
        if error is None:
            return False
        status, body = error
        headers = b""
        if status in (429, 503) and script.retry_after is not None:
            headers = b"retry-after: %s\r\n" % script.retry_after.encode()
        self._respond(status, body, headers)
        return True

    def _chat(self, path: str, body: dict[str, Any]) -> None:
        call = self._remember(path, body)
        call.input_tokens = replies.input_tokens(body)
        script = self._find_script(body)
        if self._fails_at_once(script):
            return
        limit = body.get("max_tokens") or body.get("max_completion_tokens")
        tokens = script.tokens()
        reason = script.finish_reason
        if isinstance(limit, int) and len(tokens) > limit:
            tokens, reason = tokens[:limit], "length"
        if script.fault == "empty":
            tokens = []
        if script.fault == "filter":
            tokens, reason = tokens[:1], "content_filter"
        if body.get("stream"):
            self._stream(call, script, tokens, reason)
        else:
            wait = (script.first_delay or 0.0) + script.token_delay * len(tokens)
            self._later(wait, lambda: self._answer_whole(call, script, tokens, reason))

    def _answer_whole(self, call: Call, script: Script, tokens: list[str], reason: str) -> None:
        if script.fault in ("cut", "hang-after-20"):
            self.abort()
            return
        call.first_token_at = time.monotonic()
        call.sent_tokens = len(tokens)
        used = replies.usage(script, prompt=call.input_tokens, completion=len(tokens)) if script.reports_usage else None
        body = replies.whole_answer(self._identifier(), call.model, "".join(tokens), reason, used)
        self._respond(200, body[: len(body) // 2] if script.fault == "bad-json" else body)
        call.is_complete = True

    # -- streaming -----------------------------------------------------------------------------------
    def _stream(self, call: Call, script: Script, tokens: list[str], reason: str) -> None:
        head = replies.chunk_head(self._identifier(), call.model)
        stream = _Stream(self, call, script, tokens, reason, head)
        self._transport.write(_STREAM_HEAD)
        first = script.token_delay if script.first_delay is None else script.first_delay
        if first or script.token_delay:
            self._later(first, stream.step)
        else:
            stream.send_all()

    def _identifier(self) -> str:
        return f"chatcmpl-fake-{len(self._book.record.calls)}"

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        if seconds <= 0:
            action()
            return
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Run `action` at a loop time, unless the connection is lost before."""
        self._timer = asyncio.get_running_loop().call_at(when, action)

    def write_chunk(self, data: bytes) -> None:
        """One HTTP chunk."""
        self._transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def end_stream(self, call: Call, *, is_complete: bool) -> None:
        """Close the chunked body; the connection stays open for the next request."""
        self._transport.write(b"0\r\n\r\n")
        call.is_complete = is_complete
        call.ended_at = time.monotonic()
        self._call = None

    def _respond(self, status: int, body: bytes, headers: bytes = b"") -> None:
        self._transport.write(
            b"HTTP/1.1 %d Scripted\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n%s"
            % (status, headers, len(body), body)
        )
        if self._call is not None:
            self._call.ended_at = time.monotonic()
            self._call = None


class _Stream:
    """The tokens of one answer on their way out, each at its own time."""

    __slots__ = ("_call", "_due", "_head", "_position", "_protocol", "_reason", "_script", "_tokens")

    def __init__(
        self, protocol: FakeProtocol, call: Call, script: Script, tokens: list[str], reason: str, head: bytes
    ) -> None:
        self._protocol = protocol
        self._call = call
        self._script = script
        self._tokens = tokens
        self._reason = reason
        self._head = head
        self._position = 0
        self._due = 0.0

    def step(self) -> None:
        """Send one token and plan the next by the clock, so that delays do not add up."""
        if self._fails_here() or self._ends_here():
            return
        self._protocol.write_chunk(self._frame())
        loop_time = asyncio.get_running_loop().time()
        self._due = max(self._due or loop_time, loop_time - 1) + self._script.token_delay
        self._protocol.at(self._due, self.step)

    def send_all(self) -> None:
        """Without delays: all tokens, each its own HTTP chunk."""
        while not (self._fails_here() or self._ends_here()):
            self._protocol.write_chunk(self._frame())

    def _frame(self) -> bytes:
        token = self._tokens[self._position]
        if self._position == 0:
            self._call.first_token_at = time.monotonic()
        self._position += 1
        self._call.sent_tokens = self._position
        return replies.chunk_frame(self._head, token)

    def _fails_here(self) -> bool:
        fault, position = self._script.fault, self._position
        after = min(self._script.fault_after, max(1, len(self._tokens) - 1))
        if fault is None or position < after:
            return False
        if fault == "hang-after-20":
            return True
        if fault == "cut":
            self._protocol.abort()
            return True
        if fault == "bad-json":
            self._protocol.write_chunk(b'data: {"choices":[{"delta":{"conte\n\n')
            self._protocol.end_stream(self._call, is_complete=False)
            return True
        if fault == "error-event":
            self._protocol.write_chunk(b'data: {"error":{"message":"scripted","type":"server_error"}}\n\n')
            self._protocol.end_stream(self._call, is_complete=False)
            return True
        return False

    def _ends_here(self) -> bool:
        if self._position < len(self._tokens):
            return False
        options = self._call.body.get("stream_options") or {}
        used = None
        if options.get("include_usage") and self._script.reports_usage:
            used = replies.usage(self._script, prompt=self._call.input_tokens, completion=self._position)
        frames = replies.closing_frames("chatcmpl-fake", self._call.model, self._reason, used)
        self._protocol.write_chunk(frames)
        self._protocol.end_stream(self._call, is_complete=True)
        return True
