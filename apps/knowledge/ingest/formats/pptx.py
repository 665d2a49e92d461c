"""Presentations slide by slide, in reading order: a slide is a section and its number is the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from zipfile import BadZipFile

import pptx
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pptx.exc import PythonPptxError
from pptx.shapes.picture import Picture

from apps.knowledge.ingest import limits, ocr
from apps.knowledge.ingest.archive import office_container
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, clean, table_text
from apps.knowledge.ingest.formats.image import frames

_SLIDE_LEVEL = 2
_MAX_DEPTH = 30
_MAX_PICTURES = 4
_MAX_CATEGORIES = 500
_SHOWN = 20
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_DIAGRAM = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
_CHART = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_DAMAGE = (
    PythonPptxError, KeyError, ValueError, AttributeError, TypeError, IndexError, BadZipFile, SyntaxError, ParseError,
    DefusedXmlException, NotImplementedError,
)  # fmt: skip


def read_pptx(content: bytes) -> ExtractedDocument:
    """The document of a PPTX file. Raises `Unreadable` for damaged or hostile ones."""
    container = office_container(content)
    try:
        return _read(pptx.Presentation(container))
    except _DAMAGE as error:
        raise Unreadable(
            "The presentation is damaged. Open it in PowerPoint, save it again and upload the result."
        ) from error


def _read(presentation: Any) -> ExtractedDocument:
    builder = BlockBuilder()
    count = len(presentation.slides)
    if count > limits.MAX_PAGES:
        raise Unreadable(f"The presentation has more than {limits.MAX_PAGES:,} slides. Split it and upload the parts.")
    silent: list[int] = []
    for number, slide in enumerate(presentation.slides, start=1):
        if not _add_slide(builder, slide, number, may_see=number <= limits.OCR_PAGES):
            silent.append(number)
    if len(silent) == count:
        raise Unreadable(f"The slides of this presentation hold only pictures; {ocr.INSTALL}, or upload their text.")
    notice = f"Slides {', '.join(map(str, silent[:_SHOWN]))} hold only pictures." if silent else ""
    return builder.finish(presentation.core_properties.title or "", count, notice)


def _add_slide(builder: BlockBuilder, slide: Any, number: int, *, may_see: bool) -> bool:
    """Add what a slide says; False when it shows something that says nothing."""
    title = slide.shapes.title
    heading = clean(title.text_frame.text.replace("\v", " ")) if title is not None else ""
    builder.heading(heading or f"Slide {number}", _SLIDE_LEVEL, number)
    title_id = title.shape_id if title is not None else None
    before = len(builder.blocks)
    shapes = list(_in_reading_order(slide.shapes, 0))
    for shape in shapes:
        if shape.shape_id != title_id:
            _add_shape(builder, shape, number)
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if frame is not None and clean(frame.text):
        builder.add("paragraph", f"Notes: {frame.text}", number)
    if heading or len(builder.blocks) > before or not shapes:
        return True
    if may_see:
        _add_pictures(builder, shapes, number)
    return len(builder.blocks) > before


def _add_shape(builder: BlockBuilder, shape: Any, number: int) -> None:
    if getattr(shape, "has_table", False):
        rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
        builder.add("table", table_text(rows), number)
    elif getattr(shape, "has_chart", False):
        _add_chart(builder, shape.chart, number)
    elif shape.has_text_frame:
        _add_text(builder, shape.text_frame.paragraphs, number)
    else:
        builder.add("list", "\n".join(f"- {text}" for text in _diagram_texts(shape)), number)


def _add_chart(builder: BlockBuilder, chart: Any, number: int) -> None:
    """A chart by the figures it draws: a row per category, a column per series, whatever its kind."""
    if chart.has_title and chart.chart_title.has_text_frame:
        builder.add("paragraph", chart.chart_title.text_frame.text, number)
    series = list(chart._chartSpace.iter(f"{{{_CHART}}}ser"))[: limits.MAX_TABLE_COLUMNS]
    names = [" ".join(_points(one, "tx").values()) for one in series]
    columns = [_points(one, "val") or _points(one, "yVal") for one in series]
    categories: dict[int, str] = {}
    for one in series:
        categories |= _points(one, "cat") or _points(one, "xVal")
    places = sorted({place for column in columns for place in column})[:_MAX_CATEGORIES]
    rows = [[categories.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
    builder.add("table", table_text([["", *names], *rows]), number)


def _points(series: Any, name: str) -> dict[int, str]:
    """The values of one side of a series by their place."""
    found: dict[int, str] = {}
    for side in series.findall(f"{{{_CHART}}}{name}"):
        for point in side.iter(f"{{{_CHART}}}pt"):
            value = point.findtext(f"{{{_CHART}}}v") or ""
            found[int(point.get("idx", "0"))] = _rounded(value) if name in ("val", "yVal") else value
    return found


def _rounded(value: str) -> str:
    """Without the noise of binary fractions."""
    try:
        return format(float(value), ".10g")
    except ValueError:
        return value


def _diagram_texts(shape: Any) -> Iterator[str]:
    """The points of a drawn diagram (SmartArt), which keeps its words in a part of its own."""
    for element in shape.element.iter(f"{{{_DIAGRAM}}}relIds"):
        part = shape.part.related_part(element.get(f"{{{_RELATIONS}}}dm"))
        for paragraph in fromstring(part.blob).iter(f"{{{_DRAWING}}}p"):
            text = clean("".join(run.text or "" for run in paragraph.iter(f"{{{_DRAWING}}}t")))
            if text:
                yield text


def _add_pictures(builder: BlockBuilder, shapes: list[Any], number: int) -> None:
    for shape in shapes[:_MAX_PICTURES]:
        if ocr.is_available() and isinstance(shape, Picture):
            with suppress(Unreadable):
                for frame in islice(frames(shape.image.blob), 1):
                    for paragraph in ocr.recognise(frame):
                        builder.add("paragraph", paragraph, number)


def _in_reading_order(shapes: Iterable[Any], depth: int) -> Iterator[Any]:
    """Shapes from top to bottom, then left to right; a group stays together, too deep ones are left out."""
    # A placeholder without a place of its own, nor one in its layout, stands first as it does in the file.
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if not hasattr(shape, "shapes"):
            yield shape
        elif depth < _MAX_DEPTH:
            yield from _in_reading_order(shape.shapes, depth + 1)


def _add_text(builder: BlockBuilder, paragraphs: Iterable[Any], number: int) -> None:
    """Several paragraphs of one frame are its points and become a list; a single one is a paragraph."""
    kept = [(paragraph.level, clean(paragraph.text.replace("\v", "\n"))) for paragraph in paragraphs]
    kept = [(level, text) for level, text in kept if text]
    if len(kept) == 1:
        builder.add("paragraph", kept[0][1], number)
    else:
        lines = ("  " * level + "- " + text.replace("\n", " ") for level, text in kept)
        builder.add("list", "\n".join(lines), number)
