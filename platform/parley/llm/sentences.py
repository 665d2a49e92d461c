"""Cuts passages into quotable pieces: sentences, list items, table rows, and code with the words that lead to it."""

import re
from dataclasses import dataclass
from typing import Literal

from parley.llm.requests import GroundingSource

PieceKind = Literal["sentence", "item", "code", "row"]

_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"^(\s*)(?:[-*+•]|\d{1,3}[.)])\s+(.*)$")
_RULE = re.compile(r"^[\s|:\-=*_]{3,}$")
# A full stop after these ends no sentence; after the numbered ones only when a number follows.
_ABBREVIATION = re.compile(
    r"e\.g|i\.e|etc|vs|cf|approx|dr|mr|mrs|ms|prof|st|inc|ltd|co|dept|est|al|z\.b|bzw|ca"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"nos?|nr|figs?|sec|art|vol|pp?|ch|eq", re.IGNORECASE)
_END = re.compile(
    r"([.!?…]+)([\"'”’»)\]*_`]*)(\s+|$)|([。！？]+[”’」』）]*)(\s*)"  # full-width marks need no blank
)
_CODE_SPAN = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)
_OPENER = re.compile(r"[A-Z0-9À-ÞΑ-ΩА-Я\"'“‘«(\[*_`<$/.-]|[^\x00-\u024f]")  # other alphabets too


@dataclass(frozen=True, slots=True)
class Piece:
    """A quotable unit of a source.

    `text` is exact up to white space. `headings` are the headings above it within the passage, `lead` is the sentence
    that introduces a list item or code. `block` numbers the paragraph, list or code block, `position` the piece.
    """

    source: int
    position: int
    block: int
    kind: PieceKind
    text: str
    headings: tuple[str, ...] = ()
    lead: str | None = None


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of one paragraph, in order; joined by blanks they are the paragraph.

    Full stops inside code spans, in abbreviations, initials and numbers end nothing.
    """
    text = " ".join(paragraph.split())
    protected = [match.span() for match in _CODE_SPAN.finditer(text)]
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if any(first < match.start() < last - 1 for first, last in protected):
            continue
        if match[4] is None and not _ends_sentence(text, match, start):
            continue
        end = match.end(2) if match[4] is None else match.end(4)
        sentences.append(text[start:end].strip())
        start = match.end()
    if text[start:].strip():
        sentences.append(text[start:].strip())
    return sentences


def _ends_sentence(text: str, match: re.Match[str], start: int) -> bool:
    follower = text[match.end() : match.end() + 1]
    if not follower:
        return True
    if not _OPENER.match(follower):
        return False
    if match[1] != ".":
        return True
    word = text[start : match.start()].rsplit(" ", 1)[-1].lstrip("(\"'“")
    is_initial = len(word) == 1 and word.isupper()
    is_numbered = follower.isdigit() and _NUMBERED.fullmatch(word)
    return not (is_initial or is_numbered or _ABBREVIATION.fullmatch(word))


def pieces_of(source: GroundingSource) -> list[Piece]:
    """Every quotable piece of a passage, in reading order. Headings are context, never pieces."""
    reader = _Reader(source.number)
    for line in source.text.splitlines():
        reader.take(line)
    reader.end()
    return reader.pieces


class _Reader:
    """Reads Markdown-like text line by line; plain text is the same without marks."""

    def __init__(self, source: int) -> None:
        self.pieces: list[Piece] = []
        self._source = source
        self._headings: list[tuple[int, str]] = []
        self._paragraph: list[str] = []
        self._item: list[str] | None = None
        self._code: list[str] | None = None
        self._fence = ""
        self._block = 0
        self._lead: str | None = None
        self._was_blank = True

    def take(self, line: str) -> None:
        if self._code is not None:
            self._take_code(line)
            return
        fence = _FENCE.match(line)
        if fence:
            self._flush()
            self._fence, self._code = fence[1][:3], [line.strip()]
        elif not line.strip():
            self._flush(ends_list=False)
            self._was_blank = True
            return
        elif heading := _HEADING.match(line):
            self._flush()
            self._set_heading(line, heading[1])
        elif line.lstrip().startswith("|") or _RULE.match(line):
            self._flush()
            if not _RULE.match(line):
                self._add("row", line.strip())
        elif item := _ITEM.match(line):
            self._flush(ends_list=False)
            self._item = [item[2]]
        elif self._item is not None and (line[:1] in " \t" or not self._was_blank):
            self._item.append(line.strip())
        else:
            self._paragraph.append(line.strip())
        self._was_blank = False

    def end(self) -> None:
        if self._code is not None:
            self._finish_code()
        self._flush()

    def _take_code(self, line: str) -> None:
        assert self._code is not None
        self._code.append(line)
        if line.strip().startswith(self._fence):
            self._finish_code()

    def _finish_code(self) -> None:
        code, self._code = self._code or [], None
        if not code[-1].strip().startswith(self._fence) or len(code) == 1:
            code.append(self._fence)
        self._add("code", "\n".join(code))
        self._block += 1

    def _set_heading(self, line: str, text: str) -> None:
        level = len(line.lstrip()) - len(line.lstrip().lstrip("#"))
        self._headings = [(depth, name) for depth, name in self._headings if depth < level]
        self._headings.append((level, text))
        self._lead = None

    def _flush(self, *, ends_list: bool = True) -> None:
        if self._item is not None:
            text, self._item = " ".join(self._item), None
            self._add("item", text)
            return
        if not self._paragraph:
            return
        sentences = split_sentences(" ".join(self._paragraph))
        self._paragraph = []
        self._block += 1
        self._lead = None
        for sentence in sentences:
            self._add("sentence", sentence)
        self._lead = sentences[-1] if sentences else None

    def _add(self, kind: PieceKind, text: str) -> None:
        if not text.strip():
            return
        lead = self._lead if kind in ("item", "code") else None
        headings = tuple(name for _, name in self._headings)
        self.pieces.append(Piece(self._source, len(self.pieces), self._block, kind, text.rstrip(), headings, lead))
