"""A ZIP of documents, opened without trusting it: names are only labels, nothing is written to a disk (L-13)."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.archive import require_harmless
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.sniff import is_zip_of_files, too_large_sentence

_DAMAGED = "This ZIP archive is damaged and cannot be opened. Pack it again and upload the result."
_PROTECTED = "This file is protected by a password. Pack it without one and upload it again."
_NESTED = "Archives inside archives are not opened. Unpack it and upload the files inside."
_LINK = "This is a link to another file, not a file. Pack the file itself."
_UNPACKED_BADLY = "This file is damaged inside its archive. Pack it again and upload it."
_EMPTY = "This ZIP archive holds no files. Check it and upload it again."
_FOREIGN_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information"})
_FOREIGN_FILES = frozenset({"thumbs.db", "desktop.ini", "icon\r"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive; `path` has its folders, divided by slashes."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A file of an archive that was not unpacked, of `size` bytes, and why."""

    path: str
    size: int
    sentence: str


def is_bundle(content: bytes) -> bool:
    """Whether an upload is a ZIP archive of files, rather than a document that happens to be kept in one."""
    return is_zip_of_files(content)


def unpack(content: bytes) -> Iterator[Entry | Refused]:
    """The files of a ZIP archive in its order, one in memory at a time; hidden and system files are left out.

    Raises `Unreadable` for an archive that is damaged, empty, or holds more than the caps allow, before
    anything is unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            kept = [entry for entry in archive.infolist() if not entry.is_dir() and _path(entry)]
            require_harmless(archive.infolist(), len(content))
            if not kept:
                raise Unreadable(_EMPTY)
            if len(kept) > limits.MAX_BUNDLE_FILES:
                raise Unreadable(
                    f"This ZIP archive holds {len(kept):,} files; the most is {limits.MAX_BUNDLE_FILES:,}. "
                    "Divide it and upload the parts."
                )
            for entry in kept:
                yield _unpacked(archive, entry)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise Unreadable(_DAMAGED) from error


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Entry | Refused:
    path, size = _path(entry), entry.file_size
    if stat.S_ISLNK(entry.external_attr >> 16):
        return Refused(path, size, _LINK)
    if entry.flag_bits & 0x1:
        return Refused(path, size, _PROTECTED)
    if size > limits.MAX_FILE_BYTES:
        return Refused(path, size, too_large_sentence(size))
    try:
        # Never more bytes than the entry declares, so the caps above hold.
        content = archive.read(entry)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error):
        return Refused(path, size, _UNPACKED_BADLY)
    return Refused(path, size, _NESTED) if is_zip_of_files(content) else Entry(path, content)


def _path(entry: zipfile.ZipInfo) -> str:
    """Folders and name, without what would lead out of the archive; empty for hidden and system files."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        # Many programs write UTF-8 without saying so; what is no UTF-8 stays as the standard reads it.
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = entry.filename
    parts = [part.strip() for part in name.replace("\\", "/").split("/")]
    kept = [part for part in parts if part not in ("", ".", "..") and not part.endswith(":")]
    if not kept or any(part.startswith(".") for part in kept) or kept[-1].startswith("~$"):
        return ""
    if kept[-1].lower() in _FOREIGN_FILES or any(part.lower() in _FOREIGN_FOLDERS for part in kept):
        return ""
    return "/".join(kept)
