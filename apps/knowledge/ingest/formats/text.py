"""Plain text: decoded whatever its encoding, split at blank lines; underlined lines are headings."""

from __future__ import annotations

import re

from charset_normalizer import from_bytes

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#])\1{2,}\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+•‣▪·]|\(?\d{1,3}[.)])\s+\S")


def decode(content: bytes, *, is_complete: bool = True) -> str:
    """Bytes as text with `\\n` line ends: byte-order mark, then UTF-8, then the likeliest other encoding.

    `is_complete` False allows a multi-byte character to be cut off at the end.
    """
    return _decode(content, is_complete).replace("\r\n", "\n").replace("\r", "\n")


def _decode(content: bytes, is_complete: bool) -> str:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if not is_complete and error.start >= len(content) - 4:
            return content[: error.start].decode("utf-8")
    best = from_bytes(content[:262_144]).best()
    return content.decode(best.encoding if best else "cp1252", errors="replace")


def read_text(content: bytes) -> ExtractedDocument:
    """The document of a plain text file."""
    builder = BlockBuilder()
    marks: list[str] = []
    for paragraph in _paragraphs(decode(content)):
        _add_paragraph(builder, paragraph, marks)
    return builder.finish()


def _paragraphs(text: str) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    for line in text.replace("\f", "\n\n").split("\n"):
        if line.strip():
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def _add_paragraph(builder: BlockBuilder, lines: list[str], marks: list[str]) -> None:
    """Add one group of lines; `marks` remembers the underline characters met, whose order is their rank."""
    if len(lines) >= 3 and _UNDERLINE.match(lines[0]) and _UNDERLINE.match(lines[2]):
        lines = lines[1:]
    if len(lines) >= 2 and _is_heading(lines[0], lines[1]):
        mark = lines[1].strip()[0]
        if mark not in marks:
            marks.append(mark)
        builder.heading(lines[0], marks.index(mark) + 1)
        lines = lines[2:]
    if not lines:
        return
    if _BULLET.match(lines[0]) and sum(bool(_BULLET.match(line)) for line in lines) > 1:
        builder.add("list", "\n".join(lines))
    elif all(line.startswith(("    ", "\t")) for line in lines):
        builder.add("code", "\n".join(lines))
    else:
        builder.add("paragraph", "\n".join(lines))


def _is_heading(line: str, underline: str) -> bool:
    is_underline = bool(_UNDERLINE.match(underline))
    return is_underline and len(line.strip()) <= 120 and len(underline.strip()) >= len(line.strip()) * 0.6


def require_text(document: ExtractedDocument, sentence: str) -> ExtractedDocument:
    """The document itself, or `Unreadable(sentence)` when it holds no word."""
    if not any(any(character.isalnum() for character in block.text) for block in document.blocks):
        raise Unreadable(sentence)
    return document
