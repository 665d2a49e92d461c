"""Word documents in body order: headings by style or outline level, lists, tables, text boxes, formulas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zipfile import BadZipFile

import docx
from docx.opc.exceptions import OpcError

from apps.knowledge.ingest.archive import office_container
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, table_text

_HEADING_STYLE = re.compile(r"^(?:heading|überschrift|titre|título|titolo|kop|rubrik)\s*([1-9])$", re.IGNORECASE)
_CODE_STYLE = re.compile(r"code|source|preformatted|listing|macro", re.IGNORECASE)
_LIST_STYLE = re.compile(r"^list\b", re.IGNORECASE)
_SKIPPED = frozenset({"del", "delText", "instrText", "Fallback", "moveFrom", "commentReference", "rPr", "pPr"})
_MAX_DEPTH = 60


def read_docx(content: bytes) -> ExtractedDocument:
    """The document of a DOCX file. Raises `Unreadable` for damaged or hostile ones."""
    container = office_container(content)
    try:
        document = docx.Document(container)
    except (OpcError, KeyError, ValueError, AttributeError, BadZipFile, SyntaxError) as error:
        raise Unreadable(
            "The Word document is damaged. Open it in Word, save it again and upload the result."
        ) from error
    reader = _Reader(_style_table(document))
    reader.read(document.element.body, 0)
    reader.close_run()
    return reader.builder.finish(document.core_properties.title or "")


@dataclass(frozen=True, slots=True)
class _Style:
    name: str = ""
    level: int = 0
    is_numbered: bool = False


def _local(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _child(element: Any, name: str) -> Any | None:
    if element is None:
        return None
    return next((child for child in element if _local(child) == name), None)


def _value(element: Any | None) -> str:
    if element is None:
        return ""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == "val"), "")


def _style_table(document: Any) -> dict[str, _Style]:
    """Styles by id, with heading level and numbering inherited from the styles they build on."""
    elements = {style.style_id: style.element for style in document.styles}
    return {style_id: _resolve(style_id, elements) for style_id in elements}


def _resolve(style_id: str, elements: dict[str, Any]) -> _Style:
    name, level, is_numbered = _value(_child(elements[style_id], "name")), 0, False
    current: str = style_id
    for _ in range(12):
        element = elements.get(current)
        if element is None:
            break
        properties = _child(element, "pPr")
        level = level or _own_level(_value(_child(element, "name")), properties)
        is_numbered = is_numbered or _child(properties, "numPr") is not None
        current = _value(_child(element, "basedOn"))
    return _Style(name, level, is_numbered)


def _own_level(name: str, properties: Any | None) -> int:
    if found := _HEADING_STYLE.match(name):
        return int(found.group(1))
    if name.lower() == "title":
        return 1
    outline = _value(_child(properties, "outlineLvl"))
    return int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else 0


@dataclass(slots=True)
class _Reader:
    """Walks the body; neighbouring list items and code lines become one block each."""

    styles: dict[str, _Style]
    builder: BlockBuilder = field(default_factory=BlockBuilder)
    _run_kind: str = ""
    _run: list[str] = field(default_factory=list)

    def read(self, parent: Any, depth: int) -> None:
        """Add every paragraph and table below `parent`, also inside content controls."""
        for element in parent:
            name = _local(element)
            if name == "p":
                self._paragraph(element, depth)
            elif name == "tbl":
                self._table(element, depth)
            elif name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag") and depth < _MAX_DEPTH:
                self.read(element, depth + 1)

    def close_run(self) -> None:
        """End the list or code block under way."""
        if self._run:
            self.builder.add("code" if self._run_kind == "code" else "list", "\n".join(self._run))
            self._run = []
        self._run_kind = ""

    def _paragraph(self, paragraph: Any, depth: int) -> None:
        text = _text(paragraph)
        properties = _child(paragraph, "pPr")
        style = self.styles.get(_value(_child(properties, "pStyle")), _Style())
        level = style.level or _own_level("", properties)
        if text.strip():
            self._add_paragraph(text, style, level, properties)
        for box in _text_boxes(paragraph):
            if depth < _MAX_DEPTH:
                self.close_run()
                self.read(box, depth + 1)

    def _add_paragraph(self, text: str, style: _Style, level: int, properties: Any | None) -> None:
        numbering = _child(properties, "numPr")
        is_item = numbering is not None or style.is_numbered or bool(_LIST_STYLE.match(style.name))
        if level and len(text) <= 300:
            self.close_run()
            self.builder.heading(text, level)
        elif _CODE_STYLE.search(style.name):
            self._extend_run("code", text)
        elif is_item:
            indent = _value(_child(numbering, "ilvl"))
            steps = min(int(indent), 8) if indent.isdecimal() else 0
            self._extend_run("list", "  " * steps + "- " + text.strip())
        else:
            self.close_run()
            self.builder.add("paragraph", text)

    def _extend_run(self, kind: str, line: str) -> None:
        if self._run_kind != kind:
            self.close_run()
            self._run_kind = kind
        self._run.append(line)

    def _table(self, table: Any, depth: int) -> None:
        self.close_run()
        rows = [list(_cells(row)) for row in _descend(table, "tr")]
        if sum(len(row) for row in rows) <= 1 and depth < _MAX_DEPTH:
            for row in rows:
                for cell in row:
                    self.read(cell, depth + 1)
            self.close_run()
            return
        self.builder.add("table", table_text([_cell_texts(row) for row in rows]))


def _descend(parent: Any, name: str) -> Iterator[Any]:
    """Children called `name`, also those wrapped in content controls."""
    for element in parent:
        local = _local(element)
        if local == name:
            yield element
        elif local in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _descend(element, name)


def _cells(row: Any) -> Iterator[Any]:
    return _descend(row, "tc")


def _cell_texts(cells: list[Any]) -> list[str]:
    texts: list[str] = []
    for cell in cells:
        properties = _child(cell, "tcPr")
        merge = _child(properties, "vMerge")
        is_continued = merge is not None and _value(merge) != "restart"
        texts.append("" if is_continued else " ".join(_text(p) for p in cell.iter() if _local(p) == "p"))
        span = _value(_child(properties, "gridSpan"))
        texts.extend([""] * (min(int(span), 50) - 1 if span.isdecimal() and int(span) > 0 else 0))
    return texts


def _text(paragraph: Any) -> str:
    parts: list[str] = []
    _gather(paragraph, parts, 0)
    return "".join(parts)


def _gather(element: Any, parts: list[str], depth: int) -> None:
    for child in element:
        name = _local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name == "tab":
            parts.append("\t")
        elif name in ("br", "cr"):
            parts.append("\n")
        elif name == "noBreakHyphen":
            parts.append("-")
        elif name not in _SKIPPED and name != "txbxContent" and depth < _MAX_DEPTH:
            _gather(child, parts, depth + 1)


def _text_boxes(paragraph: Any) -> Iterator[Any]:
    """Text boxes anchored in a paragraph, without the copies that old programs read instead."""
    stack = list(paragraph)
    while stack:
        element = stack.pop(0)
        name = _local(element)
        if name == "txbxContent":
            yield element
        elif name != "Fallback":
            stack = list(element) + stack
