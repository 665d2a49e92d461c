"""Workbooks sheet by sheet: a sheet is a section, each run of rows in it a table under its own head."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zipfile import BadZipFile, ZipFile

import openpyxl
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from apps.knowledge.ingest.archive import office_container
from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, clean, table_text
from apps.knowledge.ingest.formats.number_format import shown_number

MAX_CELLS = 1_000_000
_MAX_ROWS = 1_048_576
_MAX_MERGED_CELLS = 100_000
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\"")
_DAMAGE = (
    InvalidFileException, BadZipFile, SyntaxError, KeyError, ValueError, AttributeError, TypeError, IndexError,
    EOFError, OSError,
)  # fmt: skip
_TOO_MANY = f"The workbook has more than {MAX_CELLS:,} cells. Split it and upload the parts."

_Row = list[str]


def read_xlsx(content: bytes) -> ExtractedDocument:
    """The document of an XLSX or XLSM file: values as shown, hidden sheets left out, macros not looked at.

    Raises `Unreadable` for damaged or hostile ones.
    """
    container = office_container(content)
    try:
        workbook = openpyxl.load_workbook(container, read_only=True, data_only=True, keep_links=False)
        return _read(workbook, ZipFile(container))
    except _DAMAGE as error:
        raise Unreadable("The workbook is damaged. Open it in Excel, save it again and upload the result.") from error


def _read(workbook: Any, archive: ZipFile) -> ExtractedDocument:
    builder = BlockBuilder()
    hidden = [sheet.title for sheet in workbook.worksheets if sheet.sheet_state != "visible"]
    cells = 0
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            continue
        rows, used = _rows(sheet, MAX_CELLS - cells)
        cells += used
        _spread_merged(rows, _merged_ranges(sheet, archive))
        if any(any(row) for row in rows):
            builder.heading(sheet.title, 1)
            _add_tables(builder, rows)
    if hidden and not builder.blocks:
        raise Unreadable(
            "Every sheet of this workbook that holds words is hidden. Show the sheets and upload it again."
        )
    # The first sheet's name would be a poor title; without one of its own the workbook is called by its file.
    title = clean(workbook.properties.title or "").replace("\n", " ")[:300]
    return ExtractedDocument(title, tuple(builder.blocks))


def _rows(sheet: Any, allowed: int) -> tuple[list[_Row], int]:
    """Every row of a sheet as shown, and the number of cells that took; what it declares about its size is not
    believed.
    """
    sheet.reset_dimensions()
    rows: list[_Row] = []
    blank: _Row = []
    used = 0
    for cells in sheet.iter_rows():
        used += len(cells)
        if len(rows) >= _MAX_ROWS or used > allowed:
            raise Unreadable(_TOO_MANY)
        row = [_shown(cell) for cell in cells]
        while row and not row[-1]:
            row.pop()
        # Rows may be declared far apart: the blank ones between them share one list.
        rows.append(row or blank)
    return rows, used


def _shown(cell: Any) -> str:
    """What a person sees in the cell."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        return shown_number(value, cell.number_format or "")
    return clean(str(value))


def _moment(value: datetime) -> str:
    if (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date().isoformat()
    return value.isoformat(" ", "minutes" if value.second == 0 else "seconds")


def _merged_ranges(sheet: Any, archive: ZipFile) -> Iterator[tuple[int, int, int, int]]:
    """Columns and rows, from and to, counted from 1; the streaming reader does not tell them."""
    covered = 0
    for reference in _MERGED.findall(archive.read(sheet._worksheet_path)):
        left, top, right, bottom = range_boundaries(reference.decode())
        covered += (right - left + 1) * (bottom - top + 1)
        if covered > _MAX_MERGED_CELLS:
            return
        yield left, top, right, bottom


def _spread_merged(rows: list[_Row], ranges: Iterator[tuple[int, int, int, int]]) -> None:
    """A value merged over several rows holds for each of them; one across columns is said once."""
    for left, top, right, bottom in ranges:
        if top == bottom or top > len(rows) or left > len(rows[top - 1]):
            continue
        value = rows[top - 1][left - 1]
        for row in rows[top : min(bottom, len(rows))]:
            # Only rows that have something beside it: a merged box below the table is no data.
            if value and (any(row[right:]) or any(row[: left - 1])):
                row.extend([""] * (left - len(row)))
                row[left - 1] = value


def _add_tables(builder: BlockBuilder, rows: list[_Row]) -> None:
    """Runs of rows between blank ones: labels become paragraphs, what follows them a table of its own."""
    table: list[_Row] = []
    for is_after_gap, row in _with_gaps(rows):
        is_label = sum(bool(cell) for cell in row) == 1 and (is_after_gap or not table)
        if is_label or (is_after_gap and _looks_like_head(row)):
            _close(builder, table)
        table.append(row)
    _close(builder, table)


def _with_gaps(rows: list[_Row]) -> Iterator[tuple[bool, _Row]]:
    is_after_gap = False
    for row in rows:
        if any(row):
            yield is_after_gap, row
        is_after_gap = not any(row)


def _looks_like_head(row: _Row) -> bool:
    """Names only, no figures and no dates."""
    filled = [cell for cell in row if cell]
    return len(filled) > 1 and not any(cell[0].isdigit() or cell[0] in "-+(" for cell in filled)


def _close(builder: BlockBuilder, table: list[_Row]) -> None:
    """Add the rows gathered: single cells at the beginning as text, a single column as a list, else a table."""
    while table and sum(bool(cell) for cell in table[0]) == 1 and (len(table) == 1 or _width(table[1:]) > 1):
        builder.add("paragraph", next(cell for cell in table.pop(0) if cell))
    for part in _side_by_side(table):
        if _width(part) == 1:
            builder.add("list", "\n".join("- " + "".join(row).replace("\n", " ") for row in part))
        else:
            builder.add("table", table_text(_without_empty_columns(part)))
    table.clear()


def _side_by_side(table: list[_Row]) -> list[list[_Row]]:
    """Tables that stand beside each other, told by the blank column between them and a head for each."""
    used = _used_columns(table)
    cuts = [(left + 1, right) for left, right in pairwise(used) if right - left > 1]
    starts = [0, *(right for _, right in cuts)]
    parts = [
        [part for row in table if any(part := row[start:end])]
        for start, end in zip(starts, [*(left for left, _ in cuts), None], strict=True)
    ]
    if len(parts) > 1 and all(_width(part) > 1 and _looks_like_head(part[0]) for part in parts):
        return parts
    return [table] if table else []


def _used_columns(rows: list[_Row]) -> list[int]:
    return sorted({column for row in rows for column, cell in enumerate(row) if cell})


def _width(rows: list[_Row]) -> int:
    """How many columns hold anything."""
    return len(_used_columns(rows))


def _without_empty_columns(rows: list[_Row]) -> list[_Row]:
    used = _used_columns(rows)
    return [[row[column] if column < len(row) else "" for column in used] for row in rows]
