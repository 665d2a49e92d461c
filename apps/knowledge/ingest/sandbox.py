"""Extraction in a process of its own: whatever a file does to a parser, the worker lives and the owner gets a
sentence.

Promise L-14. The process is kept warm and forks per file, because starting an interpreter with all parsers
costs more than reading most documents.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from apps.knowledge.crawl.found import Page, Sitemap
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable

log = structlog.get_logger(__name__)

_MODULE = "apps.knowledge.ingest.sandbox_process"
_GRACE_SECONDS = 10.0
_SENTENCES = {
    "timeout": "Reading this file took too long and was stopped. Split it and upload the parts.",
    "memory": "Reading this file needed too much memory and was stopped. Split it and upload the parts.",
    "crashed": "This file made its reader fail; it is probably damaged. Export it again and upload that.",
}


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one file may use. CPU and wall time in seconds, address space in bytes."""

    cpu_seconds: int = limits.SANDBOX_CPU_SECONDS
    wall_seconds: float = limits.SANDBOX_WALL_SECONDS
    address_space_bytes: int = limits.SANDBOX_ADDRESS_SPACE_BYTES


class Sandbox:
    """One warm extraction process and the line to it. Files are read one by one; threads wait their turn."""

    def __init__(self, allowed: SandboxLimits | None = None) -> None:
        self._allowed = allowed or SandboxLimits()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._owner = 0

    def extract(self, content: bytes, name: str = "") -> ExtractedDocument:
        """The document, or `Unreadable` with a sentence. Nothing the file does raises anything else."""
        return ExtractedDocument.from_json(self._read("document", content, name[-200:]))

    def page_picture(self, content: bytes, number: int) -> bytes:
        """A JPEG of one page, counted from 1. Raises `Unreadable` only."""
        return base64.b64decode(self._read("page_picture", content, str(number))["jpeg"])

    def read_page(self, content: bytes, address: str) -> Page:
        """What a crawl needs to know of a web page. Raises `Unreadable` only."""
        return Page.from_json(self._read("page", content, address))

    def read_sitemap(self, content: bytes) -> Sitemap:
        """The addresses of a sitemap. Raises `Unreadable` only."""
        return Sitemap.from_json(self._read("sitemap", content, ""))

    def _read(self, kind: str, content: bytes, name: str) -> dict[str, Any]:
        with self._lock:
            return _what_was_read(self._ask_twice(kind, content, name))

    def close(self) -> None:
        """End the process; the next file starts a new one."""
        with self._lock:
            self._stop()

    def _ask_twice(self, kind: str, content: bytes, name: str) -> dict[str, Any]:
        """A process that vanished (killed by the system) is replaced once before the file gets the blame."""
        for attempt in (1, 2):
            try:
                return self._ask(kind, content, name)
            except (OSError, EOFError, ValueError) as error:
                self._stop()
                log.warning("knowledge.sandbox_lost", attempt=attempt, error=type(error).__name__)
            except BaseException:
                # An interruption between question and answer (a task's time limit) would leave the line out
                # of step.
                self._stop()
                raise
        return {"outcome": "crashed"}

    def _ask(self, kind: str, content: bytes, name: str) -> dict[str, Any]:
        connection = self._connect()
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
            source.write(content)
            source.seek(0)
            request = {
                "kind": kind,
                "name": name,
                "cpu_seconds": self._allowed.cpu_seconds,
                "wall_seconds": self._allowed.wall_seconds,
                "address_space_bytes": self._allowed.address_space_bytes,
            }
            socket.send_fds(connection, [json.dumps(request).encode()], [source.fileno(), target.fileno()])
            outcome = _read_line(connection)
            if outcome["outcome"] != "done":
                return outcome
            target.seek(0)
            answer: dict[str, Any] = json.loads(target.read())
            return answer

    def _connect(self) -> socket.socket:
        is_alive = self._process is not None and self._process.poll() is None
        if self._connection is not None and is_alive and self._owner == os.getpid():
            return self._connection
        if self._owner == os.getpid():
            self._stop()
        return self._start()

    def _start(self) -> socket.socket:
        mine, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 # our own module, no word of a user
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
            )
        mine.settimeout(max(self._allowed.wall_seconds, limits.SANDBOX_MOST_WALL_SECONDS) + _GRACE_SECONDS)
        self._connection, self._owner = mine, os.getpid()
        return mine

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._owner == os.getpid():
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        self._process = self._connection = None


def _environment() -> dict[str, str]:
    """Only what an interpreter needs: no database address, no key, no token."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _read_line(connection: socket.socket) -> dict[str, Any]:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(4096)
        if not part:
            raise EOFError("The sandbox hung up.")
        received += part
    answer: dict[str, Any] = json.loads(received)
    return answer


def _what_was_read(answer: dict[str, Any]) -> dict[str, Any]:
    if "read" in answer:
        read: dict[str, Any] = answer["read"]
        return read
    if "problem" in answer:
        raise Unreadable(str(answer["problem"]))
    outcome = str(answer.get("outcome", "crashed"))
    log.warning("knowledge.extraction_stopped", outcome=outcome, signal=answer.get("signal"), kind=answer.get("kind"))
    raise Unreadable(_SENTENCES.get(outcome, _SENTENCES["crashed"]))


_shared = Sandbox()
atexit.register(_shared.close)


def extract_safely(content: bytes, name: str = "") -> ExtractedDocument:
    """Extract in this process's shared sandbox. Raises `Unreadable` only."""
    return _shared.extract(content, name)


def page_picture_safely(content: bytes, number: int) -> bytes:
    """Draw one page of a file in the same sandbox. Raises `Unreadable` only."""
    return _shared.page_picture(content, number)


def read_page_safely(content: bytes, address: str) -> Page:
    """Look a fetched web page over in the same sandbox. Raises `Unreadable` only."""
    return _shared.read_page(content, address)


def read_sitemap_safely(content: bytes) -> Sitemap:
    """Read a sitemap in the same sandbox. Raises `Unreadable` only."""
    return _shared.read_sitemap(content)
