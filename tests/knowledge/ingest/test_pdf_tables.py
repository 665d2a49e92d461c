"""Tables of a PDF stay tables: cells under their heads, running text left alone."""

from __future__ import annotations

import io
from collections.abc import Callable

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from apps.knowledge.ingest.blocks import Block
from apps.knowledge.ingest.extract import extract


def _page(draw: Callable[[Canvas], None]) -> list[Block]:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4, invariant=1)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    content = target.getvalue()
    document = extract(content, "a.pdf")
    assert extract(content, "a.pdf") == document
    return list(document.blocks)


def _tables(blocks: list[Block]) -> list[str]:
    return [block.text for block in blocks if block.kind == "table"]


def test_aligned_columns_are_a_table_with_its_head() -> None:
    rows = [["Plan", "Seats", "Price"], ["Team", "15", "49.00"], ["Firm", "250", "1,249.00"], ["Free", "", "0.00"]]

    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 760, "The plans and what they cost, as of this year.")
        for line, (plan, seats, price) in enumerate(rows):
            height = 700 - 16 * line
            canvas.drawString(72, height, plan)
            canvas.drawRightString(260, height, seats)
            canvas.drawRightString(400, height, price)
        canvas.drawString(72, 600, "Prices are per month and without tax.")

    blocks = _page(draw)
    assert [block.kind for block in blocks] == ["paragraph", "table", "paragraph"]
    assert blocks[1].text.splitlines() == [
        "| Plan | Seats | Price |",
        "| --- | --- | --- |",
        "| Team | 15 | 49.00 |",
        "| Firm | 250 | 1,249.00 |",
        "| Free | | 0.00 |",
    ]
    assert blocks[1].page == 1


def test_a_head_left_above_figures_right_is_one_column() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Year")
        canvas.drawString(200, 700, "Ducks")
        for line, (year, ducks) in enumerate([("2019", "120"), ("2020", "135"), ("2021", "150")]):
            canvas.drawRightString(150, 684 - 16 * line, year)
            canvas.drawRightString(300, 684 - 16 * line, ducks)

    assert _tables(_page(draw)) == ["| Year | Ducks |\n| --- | --- |\n| 2019 | 120 |\n| 2020 | 135 |\n| 2021 | 150 |"]


def test_a_head_of_two_lines_is_one_row() -> None:
    def draw(canvas: Canvas) -> None:
        for left, upper, lower in ((72, "Room", "number"), (200, "Seats", "in rows"), (330, "Seats", "at tables")):
            canvas.drawString(left, 714, upper)
            canvas.drawString(left, 700, lower)
        for line in range(4):
            for left, text in ((72, f"A{line}"), (200, str(40 + line)), (330, str(20 + line))):
                canvas.drawString(left, 680 - 16 * line, text)

    (table,) = _tables(_page(draw))
    assert table.splitlines()[0] == "| Room number | Seats in rows | Seats at tables |"
    assert "| A3 | 43 | 23 |" in table


def test_ruled_tables_of_a_report_are_read_row_by_row() -> None:
    target = io.BytesIO()
    body = getSampleStyleSheet()["BodyText"]
    rows = [["Country", "Days", "Form"], ["Norway", "30", "F1"], ["Chile", "14", "F2"], ["Japan", "21", "F3"]]
    table = Table(rows, colWidths=[120, 80, 80], style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    text = Paragraph("Goods may be sent back within the days that the table below gives for each country. " * 3, body)
    SimpleDocTemplate(target, pagesize=A4, invariant=1).build([text, table, text])
    blocks = list(extract(target.getvalue(), "a.pdf").blocks)
    assert _tables(blocks) == [
        "| Country | Days | Form |\n| --- | --- | --- |\n| Norway | 30 | F1 |\n| Chile | 14 | F2 |\n| Japan | 21 | F3 |"
    ]
    assert blocks[0].kind == blocks[-1].kind == "paragraph"


def test_text_in_two_columns_and_lists_are_no_tables() -> None:
    words = "Each answer names the passage it came from"

    def draw(canvas: Canvas) -> None:
        for left in (72, 320):
            for line in range(10):
                canvas.drawString(left, 760 - 14 * line, words)
        for line in range(4):
            canvas.drawString(72, 560 - 14 * line, "\N{BULLET}")
            canvas.drawString(100, 560 - 14 * line, f"Point number {line}")

    assert _tables(_page(draw)) == []
