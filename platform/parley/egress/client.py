"""Fetches an address that a person named: judged, pinned to the judged IP address, capped in every direction."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from urllib.parse import urljoin

import httpcore
import httpx
from django.conf import settings

from parley.egress.addresses import Target, judge_url
from parley.egress.allowance import Allowance
from parley.egress.body import read_body, too_large
from parley.egress.connection import Deadline, JudgedBackend, Resolve, resolve
from parley.egress.errors import EgressFailed, EgressRefused

USER_AGENT = "Parley/1 (fetches pages that its users name)"
MAX_REDIRECTS = 3
TOTAL_SECONDS = 20.0
CONNECT_SECONDS = 5.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Ours to set: a caller that could name another host or another packing would undo the judgement or the caps.
_OUR_HEADERS = frozenset(
    {"host", "user-agent", "accept", "accept-encoding", "connection", "transfer-encoding", "content-length"}
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `content` is read for 2xx only; `redirected_from` lists the addresses passed on the way.

    `headers` are named in small letters; of several with one name the first is kept.
    """

    url: str
    status: int
    content_type: str
    charset: str | None
    content: bytes
    etag: str | None
    last_modified: str | None
    redirected_from: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch(
    url: str,
    *,
    accept: Collection[str],
    max_bytes: int,
    headers: Mapping[str, str] | None = None,
    etag: str | None = None,
    last_modified: str | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> Fetched:
    """GET an address under the operator's settings; see `EgressClient.fetch`."""
    client = EgressClient(_allowance(tuple(settings.PARLEY_EGRESS_ALLOW)))
    return client.fetch(
        url,
        accept=accept,
        max_bytes=max_bytes,
        headers=headers,
        etag=etag,
        last_modified=last_modified,
        total_seconds=total_seconds,
    )


def post(url: str, *, body: bytes, headers: Mapping[str, str], max_bytes: int) -> int:
    """POST to an address under the operator's settings and return the status; see `EgressClient.post`."""
    client = EgressClient(_allowance(tuple(settings.PARLEY_EGRESS_ALLOW)))
    return client.post(url, body=body, headers=headers, max_bytes=max_bytes)


def check_address(url: str) -> None:
    """Raise `EgressRefused` for an address that would never be called, before anybody waits for it.

    Names are not looked up here: what they lead to is judged whenever they are fetched.
    """
    judge_url(url, _allowance(tuple(settings.PARLEY_EGRESS_ALLOW)))


class EgressClient:
    """Keeps nothing between requests: no cookies, no connections, no proxies from the environment."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        resolve: Resolve = resolve,
        dialler: httpcore.NetworkBackend | None = None,
    ) -> None:
        self._allowance = allowance
        self._resolve = resolve
        self._dialler = dialler or httpcore.SyncBackend()

    def fetch(
        self,
        url: str,
        *,
        accept: Collection[str],
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> Fetched:
        """GET an address, following at most three redirects, each judged like the first.

        `accept` lists media types (`text/html`, `text/*`); `max_bytes` caps the body both packed and unpacked;
        `etag` and `last_modified` ask for a 304. Raises `EgressRefused` when the address or one it leads to must
        not be called, `EgressFailed` when the answer does not come in time or does not fit.
        """
        deadline = Deadline.after(total_seconds)
        target = judge_url(url, self._allowance)
        wanted = _own_headers(accept, etag, last_modified)
        extra = {name: text for name, text in (headers or {}).items() if name.lower() not in _OUR_HEADERS}
        passed: list[str] = []
        while True:
            answer = self._get(target, {**extra, **wanted}, accept, max_bytes, deadline, tuple(passed))
            if isinstance(answer, Fetched):
                return answer
            if len(passed) == MAX_REDIRECTS:
                raise EgressFailed(f"The address redirects more than {MAX_REDIRECTS} times.", reason="redirects")
            passed.append(target.url)
            following = judge_url(urljoin(target.url, answer), self._allowance)
            if following.origin != target.origin:
                extra = {}  # May hold a key that is meant for the first server only.
            target = following

    def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        max_bytes: int,
        total_seconds: float = TOTAL_SECONDS,
    ) -> int:
        """POST a body and return the status. A redirect is not followed: what was signed is for one address only.

        At most `max_bytes` of the answer are read, and thrown away. Raises as `fetch` does.
        """
        target = judge_url(url, self._allowance)
        extra = {name: text for name, text in headers.items() if name.lower() not in _OUR_HEADERS}
        wanted = {**extra, "User-Agent": USER_AGENT, "Accept": "*/*", "Content-Length": str(len(body))}
        with self._stream("POST", target, wanted, Deadline.after(total_seconds), body) as response:
            left = max_bytes
            for part in response.iter_stream():
                left -= len(part)
                if left < 0:
                    break
            return int(response.status)

    @contextmanager
    def _stream(
        self, method: str, target: Target, headers: Mapping[str, str], deadline: Deadline, body: bytes | None = None
    ) -> Iterator[httpcore.Response]:
        backend = JudgedBackend(
            target, allowance=self._allowance, deadline=deadline, resolve=self._resolve, dialler=self._dialler
        )
        timeouts = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": CONNECT_SECONDS}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend) as pool,
                pool.stream(
                    method, target.url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
                ) as response,
            ):
                yield response
        except httpcore.TimeoutException:
            raise EgressFailed(f"{target.host} did not answer in time.", reason="timeout") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError):
            raise EgressFailed(f"{target.host} could not be reached.", reason="unreachable") from None

    def _get(
        self,
        target: Target,
        headers: Mapping[str, str],
        accept: Collection[str],
        max_bytes: int,
        deadline: Deadline,
        passed: tuple[str, ...],
    ) -> Fetched | str:
        """One request: the answer, or where it redirects to."""
        with self._stream("GET", target, headers, deadline) as response:
            found = _Headers(response)
            location = found.text("location")
            if response.status in _REDIRECTS and location is not None:
                return location.strip().replace(" ", "%20")
            content = b""
            if 200 <= response.status < 300 and response.status not in (204, 205):
                content = _content(response, found, accept, max_bytes)
            return Fetched(
                url=target.url,
                status=response.status,
                content_type=found.media_type,
                charset=found.charset,
                content=content,
                etag=found.text("etag"),
                last_modified=found.text("last-modified"),
                redirected_from=passed,
                headers=found.values,
            )


class _Headers:
    """An answer's headers as text; the first of several with the same name counts."""

    def __init__(self, response: httpcore.Response) -> None:
        self.values: dict[str, str] = {}
        for name, value in response.headers:
            self.values.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
        message = Message()
        message["content-type"] = self.values.get("content-type", "application/octet-stream")
        self.media_type = message.get_content_type()
        self.charset = message.get_content_charset()

    def text(self, name: str) -> str | None:
        return self.values.get(name)


def _content(response: httpcore.Response, found: _Headers, accept: Collection[str], max_bytes: int) -> bytes:
    family = found.media_type.partition("/")[0] + "/*"
    if found.media_type not in accept and family not in accept:
        raise EgressFailed(f"The address holds {found.media_type}, which cannot be used here.", reason="content_type")
    announced = found.text("content-length") or ""
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(max_bytes)
    return read_body(response.iter_stream(), encoding=found.text("content-encoding") or "", max_bytes=max_bytes)


def _own_headers(accept: Collection[str], etag: str | None, last_modified: str | None) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": ", ".join(accept), "Accept-Encoding": "gzip"}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    return headers


@lru_cache(maxsize=8)
def _allowance(entries: tuple[str, ...]) -> Allowance:
    return Allowance.parse(entries)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


__all__ = [
    "MAX_REDIRECTS",
    "USER_AGENT",
    "EgressClient",
    "EgressFailed",
    "EgressRefused",
    "Fetched",
    "check_address",
    "fetch",
    "post",
]
