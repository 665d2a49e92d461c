"""The one process of the sandbox that may start a program: it runs Tesseract over bitmaps it is handed (L-14).

It lives as long as the process it was forked from and serves one picture at a time. What it is handed is checked
to be a grey map of the size it claims; the program gets limits of its own and no way to the network.
"""

from __future__ import annotations

import os
import re
import resource
import select
import socket
import subprocess
import time
from contextlib import suppress
from typing import NoReturn

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.ocr import FAILED, OK

_HEADER = re.compile(rb"P5 (\d{1,6}) (\d{1,6}) 255\n")
_MAX_ANSWER_BYTES = 2 * limits.MEBIBYTE
_MAX_LANGUAGES = 4


class Recogniser:
    """The helper and the line to it. The helper ends when nobody holds its line any more; one that died is
    replaced.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._pid = 0
        self._line: socket.socket | None = None

    def line(self) -> socket.socket:
        """The line to a living helper."""
        if self._line is None or os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._start()
        assert self._line is not None
        return self._line

    def _start(self) -> None:
        if self._line is not None:
            self._line.close()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            mine.close()
            _serve(self._program, theirs)
        theirs.close()
        self._line = mine


def _serve(program: str, connection: socket.socket) -> NoReturn:
    try:
        command = _command(program)
        while True:
            message, descriptors, _, _ = socket.recv_fds(connection, 16, 2)
            if not message:
                os._exit(0)
            _answer(command, *descriptors)
    except BaseException:
        os._exit(70)


def _command(program: str) -> list[str]:
    """With every language installed (English always is), and turned pages put upright where that can be told."""
    listed = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False, timeout=20)  # noqa: S603 # no word of a user
    installed = listed.stdout.split("\n")[1:]
    languages = sorted((name for name in installed if re.fullmatch(r"[a-z]{3}(?:_\w+)?", name)), key=_rank)
    kept = [name for name in languages if name != "osd"][:_MAX_LANGUAGES]
    mode = "1" if "osd" in installed else "3"
    return [program, "stdin", "stdout", "-l", "+".join(kept) or "eng", "--psm", mode, "--dpi", str(limits.OCR_DPI)]


def _rank(language: str) -> tuple[bool, str]:
    return language != "eng", language


def _answer(command: list[str], bitmap: int, target: int) -> None:
    try:
        text = _run(command, bitmap, target) if _is_grey_map(bitmap) else None
        with suppress(OSError):
            os.write(target, FAILED if text is None else OK)
            if text:
                with open(target, "wb", closefd=False) as file:
                    file.write(text)
    finally:
        os.close(bitmap)
        os.close(target)


def _is_grey_map(bitmap: int) -> bool:
    found = _HEADER.match(os.pread(bitmap, 32, 0))
    if found is None:
        return False
    width, height = int(found.group(1)), int(found.group(2))
    return 0 < width * height <= limits.OCR_PIXELS and os.fstat(bitmap).st_size == found.end() + width * height


def _run(command: list[str], bitmap: int, target: int) -> bytes | None:
    """What the program writes; None when it takes too long, writes too much, fails or nobody waits any more."""
    os.lseek(bitmap, 0, os.SEEK_SET)
    process = subprocess.Popen(  # noqa: S603 # a fixed command
        command,
        stdin=bitmap,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", ""), "OMP_THREAD_LIMIT": "1", "LC_ALL": "C"},
        preexec_fn=_confine,  # this process has one thread
    )
    assert process.stdout is not None
    received = bytearray()
    deadline = time.monotonic() + limits.OCR_PAGE_SECONDS
    try:
        while True:
            source = process.stdout.fileno()
            # A pipe nobody reads any more reports an error, which `select` shows as writable; so it is polled.
            readable, _, _ = select.select([source], [], [], 0.5)
            if readable:
                part = os.read(source, 65_536)
                if not part:
                    return bytes(received) if process.wait() == 0 else None
                received += part
            if len(received) > _MAX_ANSWER_BYTES or time.monotonic() > deadline or _is_deserted(target):
                return None
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def _is_deserted(target: int) -> bool:
    poll = select.poll()
    poll.register(target, 0)
    return bool(poll.poll(0))


def _confine() -> None:
    os.nice(5)
    seconds = int(limits.OCR_PAGE_SECONDS)
    for kind, limit in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, limits.SANDBOX_ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_FSIZE, limits.MEBIBYTE),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
