"""Delimited tables (CSV, TSV): one table whose first row is its head, whatever the delimiter and encoding."""

from __future__ import annotations

import csv
import io
from collections import Counter

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, table_text
from apps.knowledge.ingest.formats.text import decode

MAX_CELLS = 500_000
_DELIMITERS = (",", ";", "\t", "|")


def read_delimited(content: bytes) -> ExtractedDocument:
    """The document of a delimited file. Raises `Unreadable` for broken quoting or too many cells."""
    text = decode(content)
    rows: list[list[str]] = []
    cells = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)):
            cells += len(row)
            if cells > MAX_CELLS:
                raise Unreadable(f"The table has more than {MAX_CELLS:,} cells. Split it and upload the parts.")
            rows.append(row)
    except csv.Error as error:
        raise Unreadable("The table is damaged. Export it as CSV again and upload the result.") from error
    builder = BlockBuilder()
    builder.add("table", table_text(rows))
    return builder.finish()


def is_delimited(text: str) -> bool:
    """Whether text without a telling name is a table: some lines, all of the same two or more cells."""
    lines = _first_lines(text)
    mark = _delimiter(text)
    cells, share = _regularity(lines, mark)
    # Prose has commas too, but a space after each, and its lines are longer than the cells of a table.
    is_prose = any(f"{mark} " in line for line in lines) or sum(map(len, lines)) > 60 * cells * len(lines)
    return len(lines) >= 3 and cells >= 2 and share == 1.0 and not is_prose


def _first_lines(text: str) -> list[str]:
    return [line for line in text[:65_536].split("\n")[:50] if line.strip()]


def _delimiter(text: str) -> str:
    """The delimiter that divides the first lines most regularly, and among those into the most cells."""
    lines = _first_lines(text)
    scores = {}
    for mark in _DELIMITERS:
        cells, share = _regularity(lines, mark)
        scores[mark] = (cells > 1, round(share, 1), cells)
    return max(_DELIMITERS, key=lambda mark: scores[mark])


def _regularity(lines: list[str], delimiter: str) -> tuple[int, float]:
    """The most frequent number of cells per row, and the share of rows that have it; quoted marks do not count."""
    try:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
    except csv.Error:
        return 0, 0.0
    if not counts:
        return 0, 0.0
    cells, rows = max(counts.items(), key=lambda item: (item[1], item[0]))
    return cells, rows / counts.total()
