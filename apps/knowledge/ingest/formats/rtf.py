"""Rich text, by a small reader of its own: one pass over control words, nothing executed, nothing embedded."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, table_text

# Rich Text Format Specification 1.9.1: a control word, a control symbol, a brace, or text.
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)|\\"
)
_MAX_DEPTH = 200
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet listtable listoverridetable rsidtbl generator pict object objdata themedata "
    b"colorschememapping datastore latentstyles header headerl headerr headerf footer footerl footerr footerf "
    b"fldinst bkmkstart bkmkend xmlnstbl info filetbl revtbl".split()
)
_CHARACTERS = {
    b"tab": "\t", b"line": "\n", b"emdash": "\N{EM DASH}", b"endash": "\N{EN DASH}", b"bullet": "\N{BULLET}",
    b"lquote": "\N{LEFT SINGLE QUOTATION MARK}", b"rquote": "\N{RIGHT SINGLE QUOTATION MARK}",
    b"ldblquote": "\N{LEFT DOUBLE QUOTATION MARK}", b"rdblquote": "\N{RIGHT DOUBLE QUOTATION MARK}",
    b"emspace": " ", b"enspace": " ",
}  # fmt: skip
_SYMBOLS = {b"~": "\N{NO-BREAK SPACE}", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}"}


def read_rtf(content: bytes) -> ExtractedDocument:
    """The document of a rich text file. Raises `Unreadable` for damaged or endlessly nested ones."""
    if not content.lstrip().startswith(b"{\\rtf"):
        raise Unreadable("This rich text file is damaged. Save it again with its own program and upload the result.")
    return _Reader().read(content)


@dataclass(slots=True)
class _Group:
    is_skipped: bool = False
    unicode_skip: int = 1


@dataclass(slots=True)
class _Reader:
    builder: BlockBuilder = field(default_factory=BlockBuilder)
    groups: list[_Group] = field(default_factory=lambda: [_Group()])
    encoding: str = "cp1252"
    text: list[str] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    row: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    is_in_table: bool = False
    heading: int = 0
    is_ignorable: bool = False
    pending_skip: int = 0
    high_surrogate: int = 0

    def read(self, content: bytes) -> ExtractedDocument:
        for match in _TOKEN.finditer(content):
            word, number, code, symbol, brace, plain = match.groups()
            if brace:
                self._brace(brace)
            elif word:
                self._word(word.lower(), None if number is None else int(number))
            elif code:
                self._bytes(bytes([int(code, 16)]))
            elif symbol == b"*":
                self.is_ignorable = True
            elif symbol in (b"\r", b"\n"):
                self._end_paragraph()
            elif symbol in _SYMBOLS:
                self._say(_SYMBOLS[symbol])
            elif plain:
                self._bytes(plain)
        self._end_paragraph()
        self._end_table()
        return self.builder.finish()

    def _brace(self, brace: bytes) -> None:
        self._flush()
        self.pending_skip = 0
        if brace == b"}":
            if len(self.groups) > 1:
                self.groups.pop()
            return
        if len(self.groups) >= _MAX_DEPTH:
            raise Unreadable("The file is nested too deeply to be read. Export it again in a simpler form.")
        top = self.groups[-1]
        self.groups.append(_Group(top.is_skipped, top.unicode_skip))

    def _word(self, word: bytes, number: int | None) -> None:
        group = self.groups[-1]
        if word in _SKIPPED or self.is_ignorable:
            group.is_skipped = True
            self.is_ignorable = False
        if word == b"bin":
            raise Unreadable("This rich text file holds raw binary parts, which are not read. Save it as .docx.")
        if word == b"ansicpg" and number:
            self.encoding = _known(f"cp{number}")
        elif word == b"uc" and number is not None:
            group.unicode_skip = max(0, min(number, 8))
        elif group.is_skipped:
            return
        elif word == b"u" and number is not None:
            self._unicode(number % 65_536)
        elif word in _CHARACTERS:
            self._say(_CHARACTERS[word])
        else:
            self._structure(word, number)

    def _structure(self, word: bytes, number: int | None) -> None:
        if word in (b"par", b"sect", b"page"):
            self._end_paragraph()
        elif word == b"cell":
            self._flush()
            self.row.append("".join(self.text))
            self.text.clear()
        elif word == b"row":
            self.rows.append(self.row)
            self.row = []
        elif word == b"intbl":
            self.is_in_table = True
        elif word == b"pard":
            self.is_in_table, self.heading = False, 0
        elif word == b"outlinelevel" and number is not None:
            self.heading = min(number, 5) + 1

    def _unicode(self, unit: int) -> None:
        self._flush()
        if 0xD800 <= unit < 0xDC00:
            self.high_surrogate = unit
        elif 0xDC00 <= unit < 0xE000:
            if self.high_surrogate:
                self.text.append(chr(0x10000 + ((self.high_surrogate - 0xD800) << 10) + unit - 0xDC00))
            self.high_surrogate = 0
        else:
            self.text.append(chr(unit))
        # What follows stands in for readers without Unicode.
        self.pending_skip = self.groups[-1].unicode_skip

    def _bytes(self, data: bytes) -> None:
        if self.groups[-1].is_skipped:
            return
        skipped = min(self.pending_skip, len(data))
        self.pending_skip -= skipped
        self.raw += data[skipped:]

    def _say(self, text: str) -> None:
        if not self.groups[-1].is_skipped:
            self._flush()
            self.text.append(text)

    def _flush(self) -> None:
        """Bytes become text only when a run ends: a letter may be written as two of them."""
        if self.raw:
            self.text.append(self.raw.decode(self.encoding, errors="replace"))
            self.raw.clear()

    def _end_paragraph(self) -> None:
        self._flush()
        if self.is_in_table:
            self.text.append(" ")
            return
        self._end_table()
        text = "".join(self.text)
        self.text.clear()
        if self.heading:
            self.builder.heading(text, self.heading)
        else:
            self.builder.add("paragraph", text)

    def _end_table(self) -> None:
        if self.row:
            self.rows.append(self.row)
        if self.rows:
            self.builder.add("table", table_text(self.rows))
        self.row, self.rows = [], []


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return "cp1252"
