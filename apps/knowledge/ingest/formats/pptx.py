"""Presentations slide by slide, in reading order: a slide is a section and its number is the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zipfile import BadZipFile

import pptx
from pptx.exc import PythonPptxError

from apps.knowledge.ingest import limits
from apps.knowledge.ingest.archive import office_container
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, clean, table_text

_SLIDE_LEVEL = 2
_MAX_DEPTH = 30
_DAMAGE = (PythonPptxError, KeyError, ValueError, AttributeError, TypeError, IndexError, BadZipFile, SyntaxError)


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
    for number, slide in enumerate(presentation.slides, start=1):
        _add_slide(builder, slide, number)
    return builder.finish(presentation.core_properties.title or "", count)


def _add_slide(builder: BlockBuilder, slide: Any, number: int) -> None:
    title = slide.shapes.title
    heading = clean(title.text_frame.text.replace("\v", " ")) if title is not None else ""
    builder.heading(heading or f"Slide {number}", _SLIDE_LEVEL, number)
    title_id = title.shape_id if title is not None else None
    for shape in _in_reading_order(slide.shapes, 0):
        if shape.shape_id == title_id:
            continue
        if getattr(shape, "has_table", False):
            rows = [[cell.text for cell in row.cells] for row in shape.table.rows]
            builder.add("table", table_text(rows), number)
        elif shape.has_text_frame:
            _add_text(builder, shape.text_frame.paragraphs, number)
    frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if frame is not None and clean(frame.text):
        builder.add("paragraph", f"Notes: {frame.text}", number)


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
