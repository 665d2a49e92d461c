"""A website on loopback made in code: pages, files, robots, redirects, and a memory of what it was asked."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va")


@dataclass
class Answer:
    """What a path answers. HTML pages get an ETag of their content."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


class Website(ThreadingHTTPServer):
    """`pages` may be changed at any time; `asked` lists the paths of all requests in order."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.is_down = False
        self.running = 0
        self.most_running = 0
        self.counting = threading.Lock()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def endpoint(self) -> str:
        """As `PARLEY_EGRESS_ALLOW` names it."""
        return f"127.0.0.1:{self.server_address[1]}"

    def url(self, path: str = "/") -> str:
        return f"{self.origin}{path}"

    def put(self, path: str, html: str, **headers: str) -> None:
        """Publish a page."""
        self.pages[path] = Answer(html.encode(), headers={name.replace("_", "-"): v for name, v in headers.items()})

    def forget(self) -> None:
        """Start counting anew."""
        self.asked.clear()
        self.statuses.clear()
        self.most_running = 0

    def asked_pages(self) -> list[str]:
        """What was asked for besides robots.txt."""
        return [path for path in self.asked if path != "/robots.txt"]


class _Handler(BaseHTTPRequestHandler):
    server: Website

    def do_GET(self) -> None:
        site = self.server
        with site.counting:
            site.asked.append(self.path)
            site.running += 1
            site.most_running = max(site.most_running, site.running)
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                self._reply(Answer(status=500) if site.is_down else site.pages.get(self.path, Answer(status=404)))
        finally:
            with site.counting:
                site.running -= 1

    def _reply(self, answer: Answer) -> None:
        etag = f'"{hashlib.sha1(answer.body).hexdigest()}"'  # names a version
        status, body = answer.status, answer.body
        if status == 200 and self.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.server.statuses[status] += 1
        self.send_response(status)
        if answer.status == 200:
            self.send_header("ETag", etag)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def words(seed: str, count: int = 60) -> str:
    """Made-up words, always the same for a seed."""
    source = random.Random(seed)  # no secret
    return " ".join("".join(source.choices(_SYLLABLES, k=3)) for _ in range(count))


def page(title: str, *links: str, text: str = "", head: str = "") -> str:
    """A page with words of its own and links to others."""
    anchors = "".join(f'<li><a href="{link}">{link}</a></li>' for link in links)
    return (
        f'<!doctype html><html lang="en"><head><title>{title}</title>{head}</head><body>'
        f"<nav>Menu</nav><main><h1>{title}</h1><p>{text or words(title)}</p></main><ul>{anchors}</ul></body></html>"
    )


def fill(site: Website, sections: int = 10, pages: int = 200) -> list[str]:
    """A site of so many pages: a start, sections it links to, and articles they link to. Returns the articles."""
    articles: list[list[str]] = [[] for _ in range(sections)]
    for number in range(pages - sections - 1):
        articles[number % sections].append(f"/section-{number % sections}/article-{number}/")
    site.put("/", page("Start", *(f"/section-{number}/" for number in range(sections))))
    for number, paths in enumerate(articles):
        site.put(f"/section-{number}/", page(f"Section {number}", "/", *paths))
        for path in paths:
            site.put(path, page(f"Article {path}", "/", f"/section-{number}/#top"))
    return [path for paths in articles for path in paths]


def run(site: Website) -> threading.Thread:
    """Serve in a thread."""
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    return thread
