"""A workbook is read as a person sees it: tables under their heads, values as shown (L-13)."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import Any

import openpyxl
import pytest

from apps.knowledge.ingest.blocks import ExtractedDocument, Unreadable
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.formats.number_format import shown_number


def _saved(workbook: Any) -> bytes:
    target = io.BytesIO()
    workbook.save(target)
    return target.getvalue()


def _workbook(*rows: list[Any], title: str = "Prices") -> Any:
    workbook = openpyxl.Workbook()
    workbook.active.title = title
    for row in rows:
        workbook.active.append(row)
    return workbook


def _read(workbook: Any) -> ExtractedDocument:
    return extract(_saved(workbook), "a.xlsx")


def _shown(document: ExtractedDocument) -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in document.blocks]


def test_a_sheet_is_a_section_and_rows_keep_their_head() -> None:
    workbook = _workbook(["Plan", "Seats"], ["Team", 15], ["Firm", None])
    second = workbook.create_sheet("Contacts")
    second.append(["Name", "Phone"])
    second.append(["Ann", "0049 1"])
    document = _read(workbook)
    assert _shown(document) == [
        ("heading", "Prices"),
        ("table", "| Plan | Seats |\n| --- | --- |\n| Team | 15 |\n| Firm | |"),
        ("heading", "Contacts"),
        ("table", "| Name | Phone |\n| --- | --- |\n| Ann | 0049 1 |"),
    ]
    assert document.blocks[1].headings == ("Prices",)
    # The file's own name says more than that of its first sheet.
    assert document.title == ""


def test_titles_labels_gaps_and_neighbours_are_told_apart() -> None:
    document = _read(
        _workbook(
            ["Reading list"],
            ["Title", "Year"],
            ["Emma", 1815],
            [],
            ["Ulysses", 1922],
            [],
            ["Name", "Phone", None, "Room", "Floor"],
            ["Ann", 7, None, "A1", 3],
        )
    )
    assert [text for kind, text in _shown(document)[1:]] == [
        "Reading list",
        "| Title | Year |\n| --- | --- |\n| Emma | 1815 |\n| Ulysses | 1922 |",
        "| Name | Phone |\n| --- | --- |\n| Ann | 7 |",
        "| Room | Floor |\n| --- | --- |\n| A1 | 3 |",
    ]


def test_dates_amounts_and_shares_are_shown_as_people_read_them() -> None:
    workbook = _workbook(["What", "Value"])
    sheet = workbook.active
    for what, value, number_format in (
        ("day", dt.date(2024, 3, 1), "dd/mm/yyyy"),
        ("moment", dt.datetime(2024, 3, 1, 14, 30), "yyyy-mm-dd hh:mm"),
        ("share", 0.125, "0.0%"),
        ("price", 1234.5, '#,##0.00 "€"'),
        ("sum", 0.1 + 0.2, "General"),
        ("yes", True, "General"),
    ):
        sheet.append([what, value])
        sheet.cell(sheet.max_row, 2).number_format = number_format
    table = _read(workbook).blocks[-1].text
    for line in ("day | 2024-03-01", "moment | 2024-03-01 14:30", "share | 12.5%", "price | 1234.50", "sum | 0.3"):
        assert f"| {line}" in table
    assert "| yes | TRUE |" in table


@pytest.mark.parametrize(
    ("value", "number_format", "expected"),
    [
        (1234.5, "[$€-407] #,##0.00", "€1234.50"),
        (1234.5, "#,##0.00 [$€-407]", "1234.50 €"),
        (5, '_("$"* #,##0_);_("$"* (#,##0)', "$5"),
        (5, "$#,##0", "$5"),
        (2.6, "0", "3"),
        (2.6, "General", "2.6"),
        (2.6, "0.##", "2.6"),
        (1e20, "0.00E+00", "1e+20"),
        (0.5, "0%", "50%"),
    ],
)
def test_number_formats(value: float, number_format: str, expected: str) -> None:
    assert shown_number(value, number_format) == expected


def test_a_value_merged_over_rows_holds_for_each() -> None:
    workbook = _workbook(["Area", "City"], ["North", "Oslo"], [None, "Bergen"])
    workbook.active.merge_cells("A2:A3")
    assert "| North | Bergen |" in _read(workbook).blocks[-1].text


def test_hidden_sheets_are_not_read() -> None:
    workbook = _workbook(["Shown", "Words"], ["a", "b"])
    hidden = workbook.create_sheet("Secret")
    hidden.append(["Salary", "canary"])
    hidden.sheet_state = "hidden"
    assert "canary" not in str(_read(workbook))
    workbook.active = 1
    workbook.remove(workbook["Prices"])
    with pytest.raises(Unreadable, match="hidden"):
        _read(_only_hidden(workbook))


def _only_hidden(workbook: Any) -> Any:
    workbook.create_sheet("Empty")
    return workbook


def test_formulas_are_read_by_the_value_they_had() -> None:
    workbook = _workbook(["Sum", "Of"], ["=1+1", "two"])
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved(workbook))) as source, zipfile.ZipFile(content, "w") as copy:
        for entry in source.infolist():
            part = source.read(entry)
            copy.writestr(entry.filename, part.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    table = extract(content.getvalue(), "a.xlsx").blocks[-1].text
    assert "| 2 | two |" in table
    assert "1+1" not in table


def _with_sheet(xml: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_saved(_workbook(["a", "b"])))) as source, zipfile.ZipFile(target, "w") as copy:
        for entry in source.infolist():
            copy.writestr(entry.filename, xml if entry.filename == "xl/worksheets/sheet1.xml" else source.read(entry))
    return target.getvalue()


_SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'


def test_l13_cells_declared_far_apart_cost_nothing() -> None:
    """One cell in the last row and column of a sheet is one cell."""
    cell = b'<row r="%d"><c r="A%d" t="inlineStr"><is><t>far</t></is></c></row>'
    document = extract(_with_sheet(_SHEET % (cell % (1, 1) + cell % (1_048_576, 1_048_576))), "a.xlsx")
    assert [block.text for block in document.blocks[1:]] == ["far", "far"]
    for row in (2_000_000, 10**9):
        with pytest.raises(Unreadable, match=r"cells|damaged"):
            extract(_with_sheet(_SHEET % (cell % (row, row))), "a.xlsx")


def test_l13_wide_rows_are_counted() -> None:
    rows = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (n, n) for n in range(1, 200))
    with pytest.raises(Unreadable, match="cells"):
        extract(_with_sheet(_SHEET % rows), "a.xlsx")
