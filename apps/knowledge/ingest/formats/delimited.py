"""Delimited tables (CSV, TSV): one table whose first row is its head, whatever the delimiter and encoding."""

from __future__ import annotations

import csv
import io

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


def _delimiter(text: str) -> str:
    """The delimiter that divides the most of the first lines, and among those into the most cells."""
    lines = [line for line in text[:65_536].split("\n")[:50] if line.strip()]
    return max(_DELIMITERS, key=lambda mark: (sum(mark in line for line in lines), sum(x.count(mark) for x in lines)))
