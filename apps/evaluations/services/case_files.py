"""Reads cases from a CSV file: all of them, or a sentence for every row that is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from apps.evaluations.contracts import CaseSpec, parse_facts
from apps.evaluations.services.fields import case_errors
from parley.errors import Invalid, TooLarge

MAX_BYTES = 2 * 1024 * 1024
MAX_CASES = 2_000
MAX_LISTED_ROWS = 50
COLUMNS = ("question", "expected_facts", "expected_document", "notes")


def read_cases(content: bytes) -> list[CaseSpec]:
    """The cases of a UTF-8 CSV file with a header line; commas or semicolons separate.

    Raises `TooLarge`, or `Invalid` whose `errors["rows"]` holds one sentence per wrong row.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"The file is larger than {MAX_BYTES // 1024 // 1024} MB. Split it into parts.")
    rows = _rows(_text(content))
    header = _header(rows)
    cases: list[CaseSpec] = []
    problems: list[str] = []
    first_seen: dict[str, int] = {}
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        case, sentence = _case(header, cells)
        if not sentence and (before := first_seen.setdefault(_key(case), line)) != line:
            sentence = f"The same question is already in line {before}."
        if sentence:
            problems.append(f"Line {line}: {sentence}")
        cases.append(case)
    _refuse(problems)
    if not cases:
        _refuse(["The file has a header line but no cases."])
    if len(cases) > MAX_CASES:
        raise TooLarge(f"The file has {len(cases):,} cases; at most {MAX_CASES:,} can be imported at once.")
    return cases


def _key(case: CaseSpec) -> str:
    return " ".join(case.question.casefold().split())


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        _refuse([f"Line {line}: the text is not UTF-8. Save the file as “CSV UTF-8” and upload it again."])
        raise AssertionError("unreachable") from None


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the row's first line, its cells)."""
    first_line = text.partition("\n")[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            _refuse([f"Line {line}: this is not CSV ({problem}). Check the quotation marks."])
        yield line, cells


def _header(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    _, cells = next(rows, (1, []))
    header = [cell.strip().casefold().replace(" ", "_") for cell in cells]
    unknown = [cell.strip() for cell, name in zip(cells, header, strict=True) if name not in COLUMNS]
    if "question" not in header:
        _refuse([f"Line 1: the header line needs the column “question”. Known columns: {', '.join(COLUMNS)}."])
    if unknown:
        names = ", ".join(f"“{name}”" for name in unknown)
        _refuse([f"Line 1: unknown column {names}. Known columns: {', '.join(COLUMNS)}."])
    if len(set(header)) != len(header):
        _refuse(["Line 1: a column appears twice."])
    return header


def _case(header: list[str], cells: list[str]) -> tuple[CaseSpec, str]:
    """The row's case and what is wrong with it ("" when nothing is)."""
    if len(cells) != len(header):
        return CaseSpec(""), f"{len(cells)} cells, but the header has {len(header)} columns."
    row = dict(zip(header, cells, strict=True))
    case = CaseSpec(
        question=row["question"],
        expected_facts=parse_facts(row.get("expected_facts", "")),
        expected_document=row.get("expected_document", ""),
        notes=row.get("notes", ""),
    )
    return case, " ".join(sentence for sentences in case_errors(case).values() for sentence in sentences)


def _refuse(problems: list[str]) -> None:
    if not problems:
        return
    listed = problems[:MAX_LISTED_ROWS]
    if len(problems) > MAX_LISTED_ROWS:
        listed.append(f"… and {len(problems) - MAX_LISTED_ROWS:,} more.")
    count = len(problems)
    raise Invalid(
        f"Nothing was imported: {count:,} {'row has' if count == 1 else 'rows have'} a problem. {listed[0]}",
        errors={"rows": listed},
    )
