"""Opening the ZIP container of an office file without trusting it (L-13, L-15)."""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from apps.knowledge.ingest import limits, ocr
from apps.knowledge.ingest.blocks import Unreadable

# "Strict" documents say the same under other names; the readers know only the usual ones.
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/([A-Za-z]+)/")
_USUAL = rb"http://schemas.openxmlformats.org/\1/2006/"
# Every other encoding could hide what is looked for below, and no office program writes one.
_ENCODING = re.compile(rb"^<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)", re.IGNORECASE)
_PLAIN_ENCODINGS = frozenset({b"utf-8", b"utf8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252"})
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ENTITIES = "The document declares XML entities, which no office program writes. It was not opened."
_NEEDLESS_FOLDERS = (
    "word/media/", "word/embeddings/", "word/fonts/", "ppt/embeddings/", "ppt/fonts/", "xl/media/", "xl/embeddings/",
)  # fmt: skip
_PICTURE_FOLDER = "ppt/media/"


def office_container(content: bytes) -> io.BytesIO:
    """A safe copy of an office file: pictures and embedded files left out, "strict" names turned into usual
    ones. Slides keep their pictures where those can be read.

    Raises `Unreadable` for archives that are damaged, encrypted, too large unpacked, or whose XML declares a
    DTD.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            require_harmless([entry for entry in archive.infolist() if _is_needed(entry)], len(content))
            return _copy(archive)
    except (
        zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError, RuntimeError, zlib.error,
    ) as error:  # fmt: skip
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


def _is_needed(entry: zipfile.ZipInfo) -> bool:
    """Whether a reader looks at the part; pictures, which hardly compress, are let in by their own size."""
    if entry.filename.startswith(_PICTURE_FOLDER):
        return False
    return not entry.is_dir() and not entry.filename.startswith(_NEEDLESS_FOLDERS)


def _copy(archive: zipfile.ZipFile) -> io.BytesIO:
    """Copy part by part; a part never yields more bytes than its entry declares, so the caps above hold."""
    target = io.BytesIO()
    pictures = limits.MAX_FILE_BYTES
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for entry in archive.infolist():
            part = b""
            if _is_needed(entry):
                part = _plain(archive.read(entry))
            elif entry.filename.startswith(_PICTURE_FOLDER) and entry.file_size <= pictures and ocr.is_available():
                pictures -= entry.file_size
                part = archive.read(entry)
            copy.writestr(entry.filename, part)
    target.seek(0)
    return target


def _plain(part: bytes) -> bytes:
    """The part itself, in the usual names, if it is XML without a document type. Raises `Unreadable`.

    Whatever looks like XML is looked at: the name of a part says nothing about who parses it.
    """
    head = part[:200].lstrip()
    for mark in _BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    if not head.replace(b"\x00", b"").startswith(b"<"):
        return part
    is_wide = b"\x00" in head
    source = part.replace(b"\x00", b"") if is_wide else part
    declared = _ENCODING.match(head.replace(b"\x00", b""))
    if declared and declared.group(1).lower() not in _PLAIN_ENCODINGS:
        raise Unreadable(_ENTITIES)
    if b"<!DOCTYPE" in source or b"<!ENTITY" in source:
        raise Unreadable(_ENTITIES)
    return part if is_wide else _STRICT.sub(_USUAL, part)
