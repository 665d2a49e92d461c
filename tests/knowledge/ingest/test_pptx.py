"""Presentations become sections of text in the order a person reads them (L-13)."""

from __future__ import annotations

import io
from typing import Any

import pptx
import pytest
from pptx.util import Inches

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.pptx import read_pptx


def _saved(presentation: Any) -> bytes:
    target = io.BytesIO()
    presentation.save(target)
    return target.getvalue()


def _box(shapes: Any, text: str, top: float, left: float = 1) -> None:
    shapes.add_textbox(Inches(left), Inches(top), Inches(2), Inches(1)).text_frame.text = text


def _presentation() -> bytes:
    presentation = pptx.Presentation()
    first = presentation.slides.add_slide(presentation.slide_layouts[5])
    first.shapes.title.text_frame.text = "Opening hours"
    _box(first.shapes, "Last", 6)
    _box(first.shapes, "Right", 2, 5)
    _box(first.shapes, "Left", 2, 1)
    _box(first.shapes.add_group_shape().shapes, "Grouped", 4)
    first.notes_slide.notes_text_frame.text = "Mention holidays"
    second = presentation.slides.add_slide(presentation.slide_layouts[6])
    table = second.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
    for index, text in enumerate(["Day", "Open", "Monday", "9-17"]):
        table.cell(index // 2, index % 2).text = text
    frame = second.shapes.add_textbox(Inches(1), Inches(4), Inches(2), Inches(1)).text_frame
    frame.text = "Fruit"
    point = frame.add_paragraph()
    point.text, point.level = "Apple", 1
    return _saved(presentation)


def test_l13_slides_are_read_from_top_left_with_notes_tables_and_lists() -> None:
    content = _presentation()
    document = read_pptx(content)
    assert [(block.kind, block.text, block.page) for block in document.blocks] == [
        ("heading", "Opening hours", 1),
        ("paragraph", "Left", 1),
        ("paragraph", "Right", 1),
        ("paragraph", "Grouped", 1),
        ("paragraph", "Last", 1),
        ("paragraph", "Notes: Mention holidays", 1),
        ("heading", "Slide 2", 2),
        ("table", "| Day | Open |\n| --- | --- |\n| Monday | 9-17 |", 2),
        ("list", "- Fruit\n  - Apple", 2),
    ]
    assert document.page_count == 2
    assert read_pptx(content) == document


def test_l13_groups_nested_beyond_the_cap_are_left_out() -> None:
    presentation = pptx.Presentation()
    shapes: Any = presentation.slides.add_slide(presentation.slide_layouts[6]).shapes
    for depth in range(40):
        shapes = shapes.add_group_shape().shapes
        if depth in (0, 39):
            _box(shapes, f"Depth {depth}", 1)
    texts = [block.text for block in read_pptx(_saved(presentation)).blocks]
    assert "Depth 0" in texts
    assert "Depth 39" not in texts


def test_l13_a_damaged_presentation_says_what_to_do() -> None:
    content = _presentation()
    broken = content.replace(b"ppt/presentation.xml", b"ppt/presentatiom.xml")
    for damaged in (b"", content[: len(content) // 2], broken):
        with pytest.raises(Unreadable) as caught:
            read_pptx(damaged)
        assert caught.value.sentence.endswith(("upload it.", "upload the result."))
