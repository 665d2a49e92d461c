"""PDF text with page numbers; headings are told by size and weight of type, running heads and feet go."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL.Image import Image

from apps.knowledge.ingest import limits, ocr
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, table_text
from apps.knowledge.ingest.formats.pdf_tables import Span, find_tables, span

_DIGITS = re.compile(r"\d+")
_BULLET = re.compile(r"^(?:[•‣▪·●○◦■\u2013*-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+\S")
_ENDS_SENTENCE = re.compile(r"[.!?:;][\"'\u201d\u2019)\]]*$")
_NUMBERED_HEADING = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+[A-ZÀ-ÞА-Я]")
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi|cmbx", re.IGNORECASE)
_BOLD_WEIGHT = 600
_HEADING_RATIO = 1.12
_MAX_HEADING_CHARS = 140
_LINES_REMEMBERED = 12
_RUNS_SHOWN = 8
# Private-use signs, replacement signs and controls: what a font without a character map leaves.
_NO_LETTERS = re.compile(r"[\ue000-\uf8ff\ufffd\x00-\x08\x0e-\x1f\x7f-\x9f]")
_BROKEN_SHARE = 0.3
# Running heads, feet and page numbers stand close to the edge of a page.
_MARGIN = 0.065


@dataclass(frozen=True, slots=True)
class _Line:
    """One printed line; `size` is the height of its type, `top` its edge above the page's foot (points).

    A table stands in the place of its lines: then it has `rows` and no text.
    """

    text: str
    page: int
    size: float
    is_bold: bool
    top: float
    is_marginal: bool
    rows: tuple[tuple[str, ...], ...] = ()


def read_pdf(content: bytes) -> ExtractedDocument:
    """The document of a PDF. Raises `Unreadable` for damaged, protected, endless or picture-only files."""
    with _open(content) as pdf:
        page_count = len(pdf)
        if page_count > limits.MAX_PAGES:
            raise Unreadable(
                f"This PDF has {page_count:,} pages; the most is {limits.MAX_PAGES:,}. Split it into parts."
            )
        pages = [_read_page(pdf, index) for index in range(page_count)]
        title = str(pdf.get_metadata_value("Title") or "")
        scans = _read_scans(pdf, [index for index, lines in enumerate(pages) if not _is_text(lines)])
    pages = _without_running_lines([[] if index + 1 in scans.found else lines for index, lines in enumerate(pages)])
    if not any(pages) and not scans.found:
        raise Unreadable(_without_text(scans))
    builder = BlockBuilder()
    _Structure(builder, pages, scans.found).add_all()
    return builder.finish(title if _is_useful_title(title) else "", page_count, scans.notice())


@dataclass(slots=True)
class _Scans:
    """Pages without a text of their own.

    The paragraphs recognised on them, those that stayed unread, and those beyond what is recognised in one file.
    """

    found: dict[int, list[str]] = field(default_factory=dict)
    unread: list[int] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)

    def notice(self) -> str:
        """Which pages hold no text, or nothing."""
        return " ".join(sentence for sentence in (self._unread_sentence(), self._untried_sentence()) if sentence)

    def _untried_sentence(self) -> str:
        if not self.untried:
            return ""
        left_out = (
            f"page {self.untried[0]} was" if len(self.untried) == 1 else f"pages {_shown_numbers(self.untried)} were"
        )
        return (
            f"Text was recognised on the first {limits.OCR_PAGES} scanned pages only; {left_out} left out. "
            "Split the file and upload the parts."
        )

    def _unread_sentence(self) -> str:
        if not self.unread:
            return ""
        numbers = _shown_numbers(self.unread)
        what = f"Page {numbers} holds" if len(self.unread) == 1 else f"Pages {numbers} hold"
        if ocr.is_available():
            return (
                f"{what} a picture in which no words were recognised."
                if len(self.unread) == 1
                else (f"{what} pictures in which no words were recognised.")
            )
        return f"{what} no text; {ocr.INSTALL}."


def _without_text(scans: _Scans) -> str:
    if ocr.is_available() or not scans.unread:
        return "This PDF holds no text, and no words were recognised on its pages. Upload a sharper scan, or its text."
    return (
        "This PDF holds pictures of pages but no text (it was probably scanned). "
        f"Run text recognition over it, or {ocr.INSTALL}."
    )


def _shown_numbers(numbers: list[int]) -> str:
    """`1, 3–5`, the first few of them."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]}\N{EN DASH}{run[-1]}" for run in runs[:_RUNS_SHOWN]]
    return ", ".join(shown) + (" and more" if len(runs) > _RUNS_SHOWN else "")


def _is_text(lines: list[_Line]) -> bool:
    """Whether a page's text can be meant for reading: a broken text layer says signs that no language has."""
    letters = "".join(line.text + "".join(map("".join, line.rows)) for line in lines)
    return bool(letters) and len(_NO_LETTERS.findall(letters)) < _BROKEN_SHARE * len(letters)


def _read_scans(pdf: pdfium.PdfDocument, indexes: list[int]) -> _Scans:
    """Recognise the text of pages without any; a page that shows nothing at all is simply empty."""
    scans = _Scans()
    for index in indexes:
        try:
            page = pdf[index]
        except pdfium.PdfiumError:
            scans.unread.append(index + 1)
            continue
        try:
            if raw.FPDFPage_CountObjects(page) <= 0:
                continue
            if ocr.is_available() and len(scans.found) + len(scans.unread) >= limits.OCR_PAGES:
                scans.untried.append(index + 1)
                continue
            paragraphs = ocr.recognise(_rendered(page)) if ocr.is_available() else []
        finally:
            page.close()
        if paragraphs:
            scans.found[index + 1] = paragraphs
        else:
            scans.unread.append(index + 1)
    return scans


def _rendered(page: pdfium.PdfPage) -> Image:
    """The page in grey at a readable size; a page of absurd measures is made small instead."""
    width, height = page.get_size()
    scale = min(limits.OCR_DPI / 72, (limits.OCR_PIXELS / max(1.0, width * height)) ** 0.5)
    picture: Image = page.render(scale=scale, grayscale=True).to_pil()
    return picture


def _open(content: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise Unreadable("This PDF is protected by a password. Save it without one and upload that.") from error
        raise Unreadable("This PDF is damaged and cannot be opened. Export it again and upload the result.") from error


def _is_useful_title(title: str) -> bool:
    """Authoring programs fill the title with file names and dashes; those help nobody."""
    return len(title.strip()) > 3 and not re.search(
        r"^(?:untitled|microsoft word)|\.\w{2,5}$|^[\W\d]+$", title.strip(), re.IGNORECASE
    )


def _read_page(pdf: pdfium.PdfDocument, index: int) -> list[_Line]:
    try:
        page = pdf[index]
    except pdfium.PdfiumError:
        return []
    try:
        text_page = page.get_textpage()
        try:
            return list(_lines(text_page, index + 1, page.get_height()))
        finally:
            text_page.close()
    finally:
        page.close()


def _lines(text_page: pdfium.PdfTextPage, page: int, height: float) -> Iterator[_Line]:
    low, high = height * _MARGIN, height * (1 - _MARGIN)
    text = text_page.get_text_range(errors="replace")
    probe = _Probe(text_page)
    offset = 0
    lines: list[_Line] = []
    spans: list[Span] = []
    for line in text.split("\n"):
        start = offset + len(line) - len(line.lstrip())
        offset += len(line) + 1
        shown = line.replace("\ufffe", "").replace("\x02", "").strip()
        if shown:
            size, is_bold, top = probe.measure(start)
            lines.append(_Line(shown, page, size, is_bold, top, not low < top < high))
            spans.append(span(line.strip(), start, top, size, probe.place))
    position = 0
    for table in find_tables(spans):
        yield from lines[position : table.first]
        first = lines[table.first]
        yield _Line("", page, first.size, False, first.top, False, tuple(map(tuple, table.rows)))
        position = table.end
    yield from lines[position:]


class _Probe:
    """Measures single letters of a page; one letter speaks for its line, so a page costs some dozen calls."""

    def __init__(self, text_page: pdfium.PdfTextPage) -> None:
        self._page = text_page
        self._box = raw.FS_RECTF()
        self._name = ctypes.create_string_buffer(128)
        self._flags = ctypes.c_int()

    def measure(self, text_index: int) -> tuple[float, bool, float]:
        """Height of type in points (as printed, whatever the page's own scale), boldness, top edge."""
        char = raw.FPDFText_GetCharIndexFromTextIndex(self._page, text_index)
        if char < 0 or not raw.FPDFText_GetLooseCharBox(self._page, char, self._box):
            return 0.0, False, 0.0
        length = raw.FPDFText_GetFontInfo(self._page, char, self._name, len(self._name), self._flags)
        is_bold = bool(length and _BOLD_NAME.search(self._name.value))
        is_bold = is_bold or raw.FPDFText_GetFontWeight(self._page, char) >= _BOLD_WEIGHT
        return round(abs(self._box.top - self._box.bottom), 1), is_bold, self._box.top

    def place(self, text_index: int) -> tuple[float, float, float] | None:
        """Left edge, right edge and height of the type of one letter."""
        char = raw.FPDFText_GetCharIndexFromTextIndex(self._page, text_index)
        if char < 0 or not raw.FPDFText_GetLooseCharBox(self._page, char, self._box):
            return None
        box = self._box
        return box.left, box.right, abs(box.top - box.bottom)


def _without_running_lines(pages: list[list[_Line]]) -> list[list[_Line]]:
    """Pages without page numbers, and without the heads and feet that repeat from page to page."""
    seen = Counter(key for lines in pages for key in {_running_key(line) for line in lines if line.is_marginal})
    needed = max(3, len(pages) * 0.4)

    def is_running(line: _Line) -> bool:
        return line.is_marginal and (line.text.isdigit() or seen[_running_key(line)] >= needed)

    return [[line for line in lines if not is_running(line)] for lines in pages]


def _running_key(line: _Line) -> str:
    return _DIGITS.sub("#", line.text.casefold())


class _Structure:
    """Groups lines into headings, lists and paragraphs by type size, weight and the space between them."""

    def __init__(self, builder: BlockBuilder, pages: list[list[_Line]], recognised: dict[int, list[str]]) -> None:
        self._builder = builder
        self._recognised = recognised
        self._pages = pages
        sizes: Counter[float] = Counter()
        bold: Counter[bool] = Counter()
        for line in (line for lines in pages for line in lines):
            sizes[line.size] += len(line.text)
            bold[line.is_bold] += len(line.text)
        self._body = max(sizes, key=lambda size: (sizes[size], size), default=0.0)
        self._bold_is_rare = bold[True] < 0.25 * bold.total()
        large = sorted((s for s in sizes if s >= self._body * _HEADING_RATIO), reverse=True)
        self._levels = {size: min(rank + 1, 4) for rank, size in enumerate(large)}
        steps = [a.top - b.top for lines in pages for a, b in pairwise(lines) if 2 <= a.top - b.top < 60]
        self._usual_step = median(steps) if steps else 0.0

    def add_all(self) -> None:
        """Fill the builder from every page in order; a paragraph may run over a page break."""
        paragraph: list[_Line] = []
        for number, lines in enumerate(self._pages, start=1):
            if number in self._recognised:
                self._close(paragraph)
                self._add_recognised(number)
            for is_heading, group in groupby(lines, key=self._is_heading):
                if is_heading:
                    self._close(paragraph)
                    self._add_headings(list(group))
                    continue
                for line in group:
                    if line.rows:
                        self._close(paragraph)
                        self._builder.add("table", table_text([list(row) for row in line.rows]), line.page)
                        continue
                    if paragraph and self._begins_block(paragraph, line):
                        self._close(paragraph)
                    paragraph.append(line)
        self._close(paragraph)

    def _add_recognised(self, number: int) -> None:
        for paragraph in self._recognised[number]:
            lines = [_Line(text, number, 0.0, False, 0.0, False) for text in paragraph.split("\n")]
            self._close(lines)

    def _is_heading(self, line: _Line) -> bool:
        text = line.text
        letters = sum(character.isalpha() for character in text)
        if not 2 <= len(text) <= _MAX_HEADING_CHARS or letters < max(2, len(text) * 0.4):
            return False
        if text[0].islower() or text[0] in "(,;":
            return False
        if line.size in self._levels:
            return True
        is_standing_out = line.is_bold and self._bold_is_rare and line.size >= self._body * 0.95
        return is_standing_out and len(text) <= 80 and not text.endswith((".", ",", ";", ":"))

    def _level(self, line: _Line) -> int:
        if numbered := _NUMBERED_HEADING.match(line.text):
            return 2 + numbered.group(1).count(".")
        return self._levels.get(line.size, 5)

    def _add_headings(self, lines: list[_Line]) -> None:
        """Consecutive lines of one size are one heading over several lines."""
        for _, run in groupby(lines, key=lambda line: (line.size, line.is_bold)):
            joined: list[_Line] = []
            for line in run:
                if joined and (_NUMBERED_HEADING.match(line.text) or sum(len(part.text) for part in joined) > 120):
                    self._builder.heading(_join(joined), self._level(joined[0]), joined[0].page)
                    joined = []
                joined.append(line)
            self._builder.heading(_join(joined), self._level(joined[0]), joined[0].page)

    def _begins_block(self, paragraph: list[_Line], line: _Line) -> bool:
        last = paragraph[-1]
        if _BULLET.match(paragraph[0].text) and _BULLET.match(line.text):
            return False
        if _BULLET.match(line.text):
            return True
        if abs(line.size - last.size) > 0.15 * max(last.size, 1.0):
            return True
        ends = bool(_ENDS_SENTENCE.search(last.text))
        if line.page != last.page:
            return ends
        if last.top - line.top > max(self._usual_step, line.size) * 1.3:
            return True
        longest = max(len(part.text) for part in paragraph[-_LINES_REMEMBERED:])
        return ends and len(last.text) < 0.7 * longest

    def _close(self, paragraph: list[_Line]) -> None:
        if not paragraph:
            return
        is_list = bool(_BULLET.match(paragraph[0].text))
        text = _join_items(paragraph) if is_list else _join(paragraph)
        self._builder.add("list" if is_list else "paragraph", text, paragraph[0].page)
        paragraph.clear()


def _join(lines: list[_Line]) -> str:
    """Lines as running text: a word divided at a line end is put together again."""
    parts = [lines[0].text]
    for line in lines[1:]:
        last = parts[-1]
        if last.endswith("-") and last[-2:-1].islower() and line.text[:1].islower():
            parts[-1] = last[:-1]
        else:
            parts.append(" ")
        parts.append(line.text)
    return "".join(parts)


def _join_items(lines: list[_Line]) -> str:
    items: list[list[_Line]] = []
    for line in lines:
        if _BULLET.match(line.text) or not items:
            items.append([line])
        else:
            items[-1].append(line)
    return "\n".join(_join(item) for item in items)
