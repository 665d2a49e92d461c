"""A small site on loopback, opened to the client the way an operator would."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from parley.egress.allowance import Allowance
from parley.egress.client import EgressClient


class Site(ThreadingHTTPServer):
    """Remembers what it was asked."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.port = int(self.server_address[1])
        self.elsewhere = ""

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class _Pages(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        name, _, number = self.path.strip("/").partition("/")
        # A client that has seen enough hangs up.
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{name}")(number)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Transfer_Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, _: str) -> None:
        if self.headers.get("If-None-Match") == '"one"':
            self._answer(304, ETag='"one"')
            return
        cookie = {"ETag": '"one"', "Last_Modified": "Sat, 01 Nov 2025 00:00:00 GMT", "Set_Cookie": "a=b"}
        body = gzip.compress("grüß".encode())
        self._answer(200, body, Content_Type="text/html; charset=UTF-8", Content_Encoding="gzip", **cookie)

    def _hop(self, number: str) -> None:
        self._answer(302, Location=f"/hop/{int(number) - 1}" if int(number) > 1 else "/page", Set_Cookie="a=b")

    def _away(self, _: str) -> None:
        self._answer(302, Location=self.server.elsewhere)

    def _large(self, number: str) -> None:
        self._answer(200, b"x" * int(number), Content_Type="text/html")

    def _unannounced(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        for _i in range(10_000):
            self.wfile.write(b"x" * 10_000)

    def _bomb(self, _: str) -> None:
        packed = gzip.compress(b"\0" * 50_000_000)
        self._answer(200, packed, Content_Type="text/html", Content_Encoding="gzip")

    def _twice(self, _: str) -> None:
        self._answer(200, b"x", Content_Type="text/html", Content_Encoding="gzip, gzip")

    def _cut(self, _: str) -> None:
        self._answer(200, gzip.compress(b"hello" * 100)[:-10], Content_Type="text/html", Content_Encoding="gzip")

    def _drip(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        for _i in range(100):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def _silent(self, _: str) -> None:
        time.sleep(2)

    def _binary(self, _: str) -> None:
        self._answer(200, b"MZ", Content_Type="application/x-msdownload")

    def _untyped(self, _: str) -> None:
        self._answer(200, b"x")

    def _missing(self, _: str) -> None:
        self._answer(404, b"gone", Content_Type="text/plain")


def _run() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield site
    site.shutdown()
    site.server_close()
    thread.join(5)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that the operator listed."""
    yield from _run()


@pytest.fixture
def canary() -> Iterator[Site]:
    """A site on loopback that nobody listed: it must hear nothing."""
    yield from _run()


@pytest.fixture
def client(site: Site) -> EgressClient:
    """Allowed to reach the listed site only."""
    return EgressClient(Allowance.parse([f"127.0.0.1:{site.port}"]))
