"""Opening the ZIP container of an office file without trusting it (L-13, L-15)."""

from __future__ import annotations

import io
import zipfile

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable

_STRICT = b"http://purl.oclc.org/ooxml/"
_STRICT_TO_TRANSITIONAL = (
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/math",
        b"http://schemas.openxmlformats.org/officeDocument/2006/math",
    ),
    (b"http://purl.oclc.org/ooxml/drawingml/main", b"http://schemas.openxmlformats.org/drawingml/2006/main"),
)
_NEEDLESS_FOLDERS = ("word/media/", "word/embeddings/", "word/fonts/")


def office_container(content: bytes) -> io.BytesIO:
    """A safe copy of an office file: pictures and embedded files left out, "strict" names turned into usual
    ones.

    Raises `Unreadable` for archives that are damaged, encrypted, too large unpacked, or whose XML declares a
    DTD.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            require_harmless(archive.infolist(), len(content))
            return _copy(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, RuntimeError) as error:
        raise Unreadable(
            "The document is damaged or encrypted. Save it again without a password and upload it."
        ) from error


def require_harmless(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Raise `Unreadable` for an archive of `size` bytes whose entries unpack to more than the caps allow."""
    unpacked = sum(entry.file_size for entry in entries)
    is_dense = unpacked > limits.RATIO_MATTERS_ABOVE_BYTES and unpacked > size * limits.MAX_ARCHIVE_RATIO
    if len(entries) > limits.MAX_ARCHIVE_ENTRIES or unpacked > limits.MAX_ARCHIVE_BYTES or is_dense:
        raise Unreadable(
            "The document unpacks to far more than its size, like a compression bomb, and was not opened. "
            "Save it again with its own program and upload the result."
        )


def _copy(archive: zipfile.ZipFile) -> io.BytesIO:
    """Copy part by part; a part never yields more bytes than its entry declares, so the caps above hold."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for entry in archive.infolist():
            is_needed = not entry.filename.startswith(_NEEDLESS_FOLDERS) and not entry.is_dir()
            part = archive.read(entry) if is_needed else b""
            if entry.filename.endswith((".xml", ".rels")):
                part = _plain_xml(part)
            copy.writestr(entry.filename, part)
    target.seek(0)
    return target


def _plain_xml(part: bytes) -> bytes:
    if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
        raise Unreadable("The document declares XML entities, which no word processor writes. It was not opened.")
    if _STRICT in part:
        for strict, transitional in _STRICT_TO_TRANSITIONAL:
            part = part.replace(strict, transitional)
    return part
