"""What every reader produces: a flat list of blocks in reading order, each knowing the headings above it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.knowledge.ingest import limits

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\ufffe\uffff\U000e0000-\U000e007f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_SPACES = re.compile(r"[^\S\n]+")


class Unreadable(Exception):
    """The file cannot be turned into text; `sentence` says why and what its owner can do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Block:
    """One unit of a document. `headings` is the path of headings above it; `page` counts from 1."""

    kind: BlockKind
    text: str
    headings: tuple[str, ...] = ()
    level: int = 0
    page: int | None = None


@dataclass(frozen=True, slots=True)
class ExtractedDocument:
    """The text of one file in reading order; equal bytes always give an equal document.

    `notice` is a sentence about what could not be read of an otherwise readable file, or empty.
    """

    title: str
    blocks: tuple[Block, ...]
    page_count: int | None = None
    notice: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain lists and strings, as they cross the border of the sandbox."""
        return {
            "title": self.title,
            "page_count": self.page_count,
            "notice": self.notice,
            "blocks": [[b.kind, b.text, list(b.headings), b.level, b.page] for b in self.blocks],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ExtractedDocument:
        """The inverse of `to_json`."""
        blocks = (
            Block(kind=kind, text=text, headings=tuple(headings), level=level, page=page)
            for kind, text, headings, level, page in data["blocks"]
        )
        return cls(data["title"], tuple(blocks), data["page_count"], data["notice"])


def clean(text: str) -> str:
    """Printable text without control, zero-width and tag characters; runs of spaces become one."""
    text = _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub("", text))
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(lines).strip()


def clean_code(text: str) -> str:
    """Like `clean`, but indentation means something here and stays."""
    text = _SURROGATES.sub("\ufffd", _UNPRINTABLE.sub("", text.expandtabs(4)))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def table_text(rows: list[list[str]]) -> str:
    """Rows as pipe-separated lines, the first taken as head; empty rows dropped, short rows filled up."""
    kept = [[clean(cell).replace("\n", " ").replace("|", "/") for cell in row] for row in rows]
    kept = [row[: limits.MAX_TABLE_COLUMNS] for row in kept if any(row)]
    if not kept:
        return ""
    width = max(len(row) for row in kept)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in kept]
    if len(lines) > 1:
        lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


@dataclass(slots=True)
class BlockBuilder:
    """Collects blocks in order and keeps the path of open headings; enforces the caps on text and blocks."""

    blocks: list[Block] = field(default_factory=list)
    _path: list[tuple[int, str]] = field(default_factory=list)
    _chars: int = 0

    def heading(self, text: str, level: int, page: int | None = None) -> None:
        """Open a section: closes every section of the same or a deeper level."""
        text = clean(text).replace("\n", " ")
        if not text:
            return
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        self._append("heading", text, level=level, page=page)
        self._path.append((level, text))

    def add(self, kind: BlockKind, text: str, page: int | None = None) -> None:
        """Append one block of content below the open headings; empty text is ignored."""
        text = clean_code(text) if kind in ("code", "list") else clean(text)
        if text.strip():
            self._append(kind, text, level=0, page=page)

    def _append(self, kind: BlockKind, text: str, *, level: int, page: int | None) -> None:
        self._chars += len(text)
        if self._chars > limits.MAX_TEXT_CHARS or len(self.blocks) >= limits.MAX_BLOCKS:
            raise Unreadable(
                "This file holds more text than one document may "
                f"({limits.MAX_TEXT_CHARS:,} characters). Split it into parts and upload those."
            )
        headings = tuple(text for _, text in self._path)
        self.blocks.append(Block(kind, text, headings, level, page))

    def finish(self, title: str = "", page_count: int | None = None, notice: str = "") -> ExtractedDocument:
        """The document; without a title of its own it is called by its first heading of the highest rank."""
        ranked = [block for block in self.blocks if block.kind == "heading"]
        if not clean(title) and ranked:
            top = min(block.level for block in ranked)
            title = next(block.text for block in ranked if block.level == top)
        return ExtractedDocument(clean(title).replace("\n", " ")[:300], tuple(self.blocks), page_count, notice)
