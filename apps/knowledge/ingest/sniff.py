"""What a file really is, by its content; the name may only choose between dialects of text."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath
from typing import Literal

import puremagic

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.delimited import is_delimited
from apps.knowledge.ingest.formats.eml import is_email
from apps.knowledge.ingest.formats.json_records import is_json
from apps.knowledge.ingest.formats.text import decode

Format = Literal[
    "pdf",
    "docx",
    "pptx",
    "xlsx",
    "epub",
    "rtf",
    "html",
    "markdown",
    "text",
    "delimited",
    "json",
    "jsonl",
    "eml",
    "image",
]

READABLE = (
    "PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx), rich text, EPUB, HTML, Markdown, CSV, JSON, e-mail (.eml), "
    "plain text and pictures of text, or a ZIP of these"
)

_EXTENSIONS: dict[str, Format] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".epub": "epub",
    ".rtf": "rtf",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".rst": "text",
    ".log": "text",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".eml": "eml",
    ".png": "image",
    ".jpg": "image",
    ".jpeg": "image",
    ".tif": "image",
    ".tiff": "image",
    ".webp": "image",
    ".gif": "image",
    ".bmp": "image",
}
MEDIA_TYPES: dict[Format, str] = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "epub": "application/epub+zip",
    "rtf": "application/rtf",
    "html": "text/html",
    "markdown": "text/markdown",
    "text": "text/plain",
    "delimited": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "eml": "message/rfc822",
    "image": "image/*",
}
ACCEPTED_EXTENSIONS = (*_EXTENSIONS, ".zip")
_NAMES: dict[Format, str] = {
    "pdf": "a PDF",
    "docx": "a Word document",
    "pptx": "a presentation",
    "xlsx": "a workbook",
    "epub": "an EPUB book",
    "rtf": "rich text",
    "html": "a web page",
    "markdown": "Markdown",
    "text": "plain text",
    "delimited": "a CSV table",
    "json": "JSON",
    "jsonl": "JSON lines",
    "eml": "an e-mail",
    "image": "a picture",
}
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_PICTURE_START = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*|RIFF.{4}WEBP|BM.{4}\x00\x00\x00\x00", re.DOTALL
)
_HTML_START = re.compile(
    r"^\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML_TAG = re.compile(r"</?(?:p|div|h[1-6]|ul|ol|li|table|article|section|span|br|a|main|pre)\b[^>]*>", re.IGNORECASE)
_XML_START = re.compile(r"^\s*<\?xml\b|^\s*<svg\b", re.IGNORECASE)
_MARKDOWN_SIGNS = re.compile(
    r"^#{1,6} \S|^```|^\s*[-*+] \S|^\|.+\|\s*$|\[[^\]\n]+\]\([^)\n]+\)|\*\*[^*\n]+\*\*", re.MULTILINE
)


def sniff(content: bytes, name: str = "") -> Format:
    """The format of `content`. Raises `Unreadable` with a sentence when Parley cannot or will not read it."""
    if not content:
        raise Unreadable("The file is empty (0 bytes). Check it and upload it again.")
    if len(content) > limits.MAX_FILE_BYTES:
        raise Unreadable(too_large_sentence(len(content)))
    extension = PurePath(name).suffix.lower()
    found = _binary_format(content) or _text_format(content, extension)
    _require_agreement(found, extension, name)
    return found


def too_large_sentence(size: int) -> str:
    """Why a file of `size` bytes is refused."""
    mebibytes, most = size / limits.MEBIBYTE, limits.MAX_FILE_BYTES // limits.MEBIBYTE
    return f"The file has {mebibytes:.1f} MB; the most is {most} MB. Split it or leave out its pictures."


def _require_agreement(found: Format, extension: str, name: str) -> None:
    """Refuse a name that promises something else than the content is (L-13)."""
    shown = PurePath(name).name
    if extension and extension not in _EXTENSIONS:
        raise Unreadable(f"“{extension}” files cannot be read yet. Parley reads {READABLE}.")
    promised = _EXTENSIONS.get(extension, found)
    is_text = {"html", "markdown", "text", "delimited", "json", "jsonl"}
    if promised != found and not (promised in is_text and found in is_text):
        raise Unreadable(
            f"“{shown}” is named like {_NAMES[promised]}, but its content is {_NAMES[found]}. "
            "Give it the name that fits and upload it again."
        )


def _binary_format(content: bytes) -> Format | None:
    if b"%PDF-" in content[:1024]:
        return "pdf"
    if content.startswith(_ZIP_STARTS):
        return _zip_format(content)
    if content.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise Unreadable(
            "This is an old Office file (.doc, .xls, .ppt) or one protected by a password. "
            "Save it as .docx, .xlsx or .pptx without a password and upload that."
        )
    if content.startswith(b"{\\rtf"):
        return "rtf"
    if _PICTURE_START.match(content):
        return "image"
    return None


def is_zip_of_files(content: bytes) -> bool:
    """Whether bytes are a ZIP archive that is no document of an office program and no book."""
    if not content.startswith(_ZIP_STARTS):
        return False
    try:
        return _container_format(_names_in(content)) is None
    except Unreadable:
        return False


def _names_in(content: bytes) -> set[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {info.filename for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, RuntimeError) as error:
        raise Unreadable("The file is damaged: its archive cannot be opened. Save it again and upload it.") from error


def _zip_format(content: bytes) -> Format:
    found = _container_format(_names_in(content))
    if found is None:
        raise Unreadable(
            "This is a ZIP archive inside another file or sent as one document. Unpack it and upload its files."
        )
    return found


def _container_format(names: set[str]) -> Format | None:
    """Which document is kept in a ZIP container of these names; None for an archive of files."""
    if "word/document.xml" in names or ("[Content_Types].xml" in names and any(n.startswith("word/") for n in names)):
        return "docx"
    if "ppt/presentation.xml" in names:
        return "pptx"
    if "META-INF/container.xml" in names:
        return "epub"
    if "xl/workbook.bin" in names:
        raise Unreadable("Binary Excel workbooks (.xlsb) are not read. Save the file as .xlsx and upload that.")
    if ("[Content_Types].xml" in names and any(name.startswith("xl/") for name in names)) or "xl/workbook.xml" in names:
        return "xlsx"
    if "content.xml" in names and "mimetype" in names:
        raise Unreadable("OpenDocument files are not read yet. Save the file as .docx, .xlsx or PDF and upload that.")
    return None


def _text_format(content: bytes, extension: str) -> Format:
    if looks_binary(content):
        raise Unreadable(f"This looks like {_describe(content)}, which holds no text to read. Parley reads {READABLE}.")
    head = decode(content[:65_536], is_complete=len(content) <= 65_536)
    if _HTML_START.match(head[:4096]):
        return "html"
    if _XML_START.match(head):
        raise Unreadable(f"XML and SVG files cannot be read yet. Parley reads {READABLE}.")
    promised = _EXTENSIONS.get(extension)
    if promised == "html":
        return "html" if _HTML_TAG.search(head) else "text"
    if promised in ("markdown", "text", "delimited", "json", "jsonl"):
        return promised
    return _undeclared_text_format(head, is_complete=len(content) <= 65_536)


def _undeclared_text_format(head: str, *, is_complete: bool) -> Format:
    """What text is that no name tells about, by its beginning."""
    if is_email(head):
        return "eml"
    if is_json(head, is_complete=is_complete):
        return "json"
    if is_delimited(head):
        return "delimited"
    if len(_HTML_TAG.findall(head)) >= 5 and head.lstrip().startswith("<"):
        return "html"
    return "markdown" if _MARKDOWN_SIGNS.search(head) else "text"


def looks_binary(content: bytes) -> bool:
    """True for bytes that are no text in any encoding people use."""
    head = content[:8192]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    if b"\x00" in head:
        return True
    controls = sum(byte < 32 and byte not in (9, 10, 12, 13, 27) for byte in head)
    return controls > len(head) * 0.02


def _describe(content: bytes) -> str:
    try:
        matches = puremagic.magic_string(content[:4096])
    except (puremagic.PureError, ValueError):
        return "a binary file"
    named = [match for match in matches if match.mime_type]
    if not named:
        return "a binary file"
    kind = named[0].mime_type.split("/")[0]
    spoken = {"image": "a picture", "audio": "a sound recording", "video": "a film"}
    return spoken.get(kind, f"a binary file ({named[0].mime_type})")
