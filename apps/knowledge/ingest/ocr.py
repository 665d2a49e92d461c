"""Asking for the text of a picture: the side of the process that reads files (L-14).

A reader may start no program. It hands a plain grey bitmap, which it made itself, to the process beside it that
may run Tesseract and nothing else; so the bytes of a stranger's picture never reach that program.
"""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.knowledge.ingest import limits

if TYPE_CHECKING:
    from PIL.Image import Image

INSTALL = "install Tesseract (`apt-get install tesseract-ocr`) to read scanned pages"
OK, FAILED = b"1", b"0"


@dataclass(slots=True)
class _Line:
    """The line to the helper, and the pipe whose every byte asks for more time; absent outside the sandbox."""

    channel: socket.socket | None = None
    more_time: int = -1


_line = _Line()


def program() -> str | None:
    """Where Tesseract is installed, if it is."""
    return shutil.which("tesseract")


def connect(channel: socket.socket | None, more_time: int) -> None:
    """Tell this process, a fresh fork, whom to ask. None when there is nobody."""
    _line.channel, _line.more_time = channel, more_time


def is_own_line(connection: object) -> bool:
    """Whether a socket is the one to the helper: the only one a reader may use."""
    return _line.channel is not None and connection is _line.channel


def is_available() -> bool:
    """Whether pictures can be read here."""
    return _line.channel is not None


def recognise(image: Image) -> list[str]:
    """The paragraphs of a picture, top to bottom; empty when it shows no words or cannot be read."""
    if _line.channel is None:
        return []
    os.write(_line.more_time, b".")
    bitmap = os.memfd_create("bitmap")
    answer, theirs = os.pipe()
    try:
        _write_bitmap(bitmap, image)
        try:
            socket.send_fds(_line.channel, [b"?"], [bitmap, theirs])
        finally:
            os.close(theirs)
        return _paragraphs(_read(answer))
    finally:
        os.close(answer)
        os.close(bitmap)


def _write_bitmap(target: int, image: Image) -> None:
    """As portable grey map: a line of text, then one byte per pixel."""
    pixels = image.width * image.height
    if pixels > limits.OCR_PIXELS:
        share = (limits.OCR_PIXELS / pixels) ** 0.5
        image = image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))))
    grey = image if image.mode == "L" else image.convert("L")
    with open(target, "wb", closefd=False) as file:
        file.write(b"P5 %d %d 255\n" % grey.size)
        file.write(grey.tobytes())


def _read(source: int) -> bytes:
    received = bytearray()
    while part := os.read(source, 65_536):
        received += part
    return bytes(received)


def _paragraphs(answer: bytes) -> list[str]:
    if not answer.startswith(OK):
        return []
    text = answer[1:].decode("utf-8", errors="replace").replace("\f", "\n\n")
    paragraphs = ("\n".join(line.strip() for line in part.split("\n")).strip() for part in text.split("\n\n"))
    return [paragraph for paragraph in paragraphs if any(map(str.isalnum, paragraph))]
