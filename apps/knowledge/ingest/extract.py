"""The one entry to all readers: bytes in, structured document out, or a sentence why not."""

from __future__ import annotations

from collections.abc import Callable

from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable
from apps.knowledge.ingest.formats.delimited import read_delimited
from apps.knowledge.ingest.formats.docx import read_docx
from apps.knowledge.ingest.formats.eml import read_eml
from apps.knowledge.ingest.formats.epub import read_epub
from apps.knowledge.ingest.formats.html import read_html
from apps.knowledge.ingest.formats.image import read_image
from apps.knowledge.ingest.formats.json_records import read_json, read_json_lines
from apps.knowledge.ingest.formats.markdown import read_markdown
from apps.knowledge.ingest.formats.pdf import read_pdf
from apps.knowledge.ingest.formats.pptx import read_pptx
from apps.knowledge.ingest.formats.rtf import read_rtf
from apps.knowledge.ingest.formats.text import read_text, require_text
from apps.knowledge.ingest.formats.xlsx import read_xlsx
from apps.knowledge.ingest.sniff import Format, sniff


def _read_email(content: bytes) -> ExtractedDocument:
    return read_eml(content, _read_attachment)


def _read_attachment(content: bytes, name: str) -> ExtractedDocument:
    """A file inside an e-mail; a message inside only names what is attached to it."""
    found = sniff(content, name)
    return read_eml(content) if found == "eml" else _READERS[found](content)


_READERS: dict[Format, Callable[[bytes], ExtractedDocument]] = {
    "pdf": read_pdf,
    "docx": read_docx,
    "pptx": read_pptx,
    "epub": read_epub,
    "rtf": read_rtf,
    "html": read_html,
    "markdown": read_markdown,
    "text": read_text,
    "delimited": read_delimited,
    "xlsx": read_xlsx,
    "json": read_json,
    "jsonl": read_json_lines,
    "eml": _read_email,
    "image": read_image,
}


def extract(content: bytes, name: str = "") -> ExtractedDocument:
    """Read a file of any supported format.

    Equal bytes and name give an equal document. Raises `Unreadable` with a sentence for its owner.
    Run it inside `ingest.sandbox`: the parsers below are native code and the bytes are somebody else's.
    """
    found = sniff(content, name)
    try:
        document = _READERS[found](content)
    except (RecursionError, AssertionError) as error:
        raise Unreadable("The file is nested too deeply to be read. Export it again in a simpler form.") from error
    return require_text(document, "The file was read, but it holds no words. Check that it is the right one.")
