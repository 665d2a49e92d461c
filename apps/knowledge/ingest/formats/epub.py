"""Electronic books: the chapters in the order of their spine, each read like a web page."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from typing import Any
from urllib.parse import unquote

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from apps.knowledge.ingest.archive import require_harmless
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable
from apps.knowledge.ingest.formats.html import read_html

_DAMAGE = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, OSError, EOFError)
_DAMAGED = "The e-book is damaged. Save it again with its own program and upload the result."
_LOCKED = "The e-book is protected against copying. Upload a version without protection."
# Fonts may be scrambled without the text being locked.
_TEXT_SUFFIXES = (".xhtml", ".html", ".htm", ".opf", ".xml")


def read_epub(content: bytes) -> ExtractedDocument:
    """The document of an EPUB file. Raises `Unreadable` for damaged, protected or hostile ones."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            require_harmless(archive.infolist(), len(content))
            return _read(archive)
    except (*_DAMAGE, KeyError, RuntimeError, ParseError, DefusedXmlException, zlib.error) as error:
        raise Unreadable(_DAMAGED) from error


def _read(archive: zipfile.ZipFile) -> ExtractedDocument:
    names = set(archive.namelist())
    if "META-INF/encryption.xml" in names:
        _require_open(_xml(archive, "META-INF/encryption.xml"))
    package_path = _first(_xml(archive, "META-INF/container.xml"), "rootfile").get("full-path", "")
    package = _xml(archive, package_path)
    folder = posixpath.dirname(package_path)
    files = {item.get("id"): item.get("href", "") for item in package.iter() if _local(item) == "item"}
    builder = BlockBuilder()
    seen: set[str] = set()
    for reference in package.iter():
        href = files.get(reference.get("idref"), "") if _local(reference) == "itemref" else ""
        path = posixpath.normpath(posixpath.join(folder, unquote(href)))
        if href and path in names and path not in seen:
            seen.add(path)
            _append(builder, read_html(archive.read(path)))
    title, creator = _metadata(package, "title"), _metadata(package, "creator")
    return builder.finish(f"{title} – {creator}" if title and creator else title)


def _append(builder: BlockBuilder, chapter: ExtractedDocument) -> None:
    if chapter.blocks and not any(block.kind == "heading" for block in chapter.blocks):
        builder.heading(chapter.title, 1)
    for block in chapter.blocks:
        if block.kind == "heading":
            builder.heading(block.text, block.level)
        else:
            builder.add(block.kind, block.text)


def _require_open(encryption: Any) -> None:
    for element in encryption.iter():
        if _local(element) == "CipherReference" and element.get("URI", "").lower().endswith(_TEXT_SUFFIXES):
            raise Unreadable(_LOCKED)


def _xml(archive: zipfile.ZipFile, path: str) -> Any:
    # Older books name a document type; it is neither fetched nor may it declare an entity.
    return fromstring(archive.read(path), forbid_dtd=False, forbid_entities=True, forbid_external=True)


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _first(root: Any, name: str) -> Any:
    for element in root.iter():
        if _local(element) == name:
            return element
    raise Unreadable(_DAMAGED)


def _metadata(package: Any, name: str) -> str:
    return next((element.text or "" for element in package.iter() if _local(element) == name), "").strip()
