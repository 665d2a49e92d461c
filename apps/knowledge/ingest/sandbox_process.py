"""The other side of the sandbox: a process that knows no secret, forks once per file and locks the fork up
(L-14).

Started as `python -m apps.knowledge.ingest.sandbox_process FD`. It imports the parsers once and keeps one fork
waiting, so that a file costs neither an interpreter's start nor a fork's. It ends when its owner closes the socket
or dies.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from apps.knowledge.crawl.page import read_page
from apps.knowledge.crawl.sitemap import read_sitemap
from apps.knowledge.ingest import limits, ocr, ocr_process
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.page_picture import page_picture
from apps.knowledge.ingest.sandbox_fork import MAX_REQUEST_BYTES, Fork

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TINY_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>\n"
    b"endobj\n4 0 obj<</Length 41>>stream\nBT /F1 12 Tf 50 150 Td (Warm text) Tj ET \nendstream endobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
)
_SAMPLES = (
    ("a.md", b"# Title\n\nText with `code`.\n\n- item\n\n| a | b |\n| - | - |\n| 1 | 2 |\n"),
    ("a.html", b"<html><title>Title</title><h1>Title</h1><p>Text <b>bold</b></p><ul><li>item</ul></html>"),
    ("a.pdf", _TINY_PDF),
)
# What may be asked for: a file by its name, a picture of a page by its number, or what a crawl needs to know of a
# page by its address.
_READERS: dict[str, Callable[[bytes, str], dict[str, Any]]] = {
    "document": lambda content, name: extract(content, name).to_json(),
    "page_picture": lambda content, number: page_picture(content, int(number)),
    "page": lambda content, address: read_page(content, address).to_json(),
    "sitemap": lambda content, _: read_sitemap(content).to_json(),
}
_FORBIDDEN_EVENTS = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.remove",
    "os.rename", "os.link", "os.symlink", "os.kill", "shutil.", "ftplib.", "urllib.", "http.client",
)  # fmt: skip


def serve(connection: socket.socket) -> None:
    """Answer one request after the other until the owner hangs up."""
    _leave_network()
    program = ocr.program()
    recogniser = ocr_process.Recogniser(program) if program else None
    if recogniser is not None:
        # Before anything else is loaded: the helper needs none of it.
        recogniser.line()
    _warm_up()
    # What is loaded stays: a collection in a fork would copy every page it looks at.
    gc.collect()
    gc.freeze()
    gc.disable()
    spare: Fork | None = None
    while True:
        spare = spare or _fork(recogniser)
        request, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 2)
        if not request:
            spare.close()
            return
        reader = _hand_over(spare, recogniser, request, descriptors)
        spare = _fork(recogniser)
        outcome = reader.watch(connection, json.loads(request)["wall_seconds"])
        for descriptor in descriptors:
            os.close(descriptor)
        if outcome["outcome"] != "abandoned":
            connection.sendall(json.dumps(outcome).encode() + b"\n")
        reader.close()


def _fork(recogniser: ocr_process.Recogniser | None) -> Fork:
    return Fork(recogniser.line() if recogniser else None, _prepare, _read_confined)


def _hand_over(
    spare: Fork, recogniser: ocr_process.Recogniser | None, request: bytes, descriptors: Sequence[int]
) -> Fork:
    """Give the file to the fork that waits, or to another when that one or its helper is gone."""
    source, target = descriptors
    if recogniser is None or spare.helper is recogniser.line():
        with suppress(OSError):
            spare.take(request, source, target)
            return spare
    spare.close()
    fresh = _fork(recogniser)
    fresh.take(request, source, target)
    return fresh


def _warm_up() -> None:
    """Read one tiny file per parser, so that font lists and tables are loaded here and not in every fork."""
    for name, content in _SAMPLES:
        with suppress(Unreadable):
            extract(content, name)


def _leave_network() -> None:
    """Move into an empty network namespace where the system allows it; the audit hook covers the rest."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _prepare(helper: socket.socket | None, more_time: int) -> None:
    """In a fork that has no file yet: touch the memory that reading touches, and know whom to ask for text."""
    _warm_up()
    ocr.connect(helper, more_time)


def _read_confined(request: bytes, source: int, target: int) -> None:
    """In a fork: limits first, then the parsers."""
    asked = json.loads(request)
    _confine(asked)
    answer = _answer(source, asked["kind"], asked["name"])
    payload = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    with open(target, "wb", closefd=False) as file:
        file.write(payload)


def _answer(source: int, kind: str, name: str) -> dict[str, Any]:
    try:
        with open(source, "rb", closefd=False) as file:
            content = file.read()
        return {"read": _READERS[kind](content, name)}
    except Unreadable as problem:
        return {"problem": problem.sentence}
    except MemoryError:
        return {"outcome": "memory"}
    except Exception as error:
        return {"outcome": "crashed", "kind": type(error).__name__}


def _confine(request: dict[str, Any]) -> None:
    os.nice(5)
    cpu = int(request["cpu_seconds"])
    _limit(resource.RLIMIT_CPU, cpu, cpu + 5)
    _limit(resource.RLIMIT_AS, request["address_space_bytes"])
    _limit(resource.RLIMIT_FSIZE, limits.SANDBOX_OUTPUT_BYTES)
    _limit(resource.RLIMIT_NOFILE, limits.SANDBOX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    sys.addaudithook(_refuse)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (soft, soft if hard is None else hard))


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook cannot be removed again: no sockets, no processes, no writing by name."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, int) and isinstance(flags, int) and flags & _WRITING:
            raise PermissionError("The sandbox does not write files.")
    elif event == "socket.sendmsg" and ocr.is_own_line(arguments[0]):
        return
    elif event.startswith(_FORBIDDEN_EVENTS):
        raise PermissionError(f"The sandbox does not allow {event}.")


def main() -> None:
    """Take over the socket whose number is the first argument."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_DFL)
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
