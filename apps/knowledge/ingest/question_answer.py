"""Questions with answers as text: how they are written for the index, compared, and read from a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.text import decode

MAX_QUESTION_CHARS = 300
MAX_ANSWER_CHARS = 8_000
MAX_PHRASINGS = 20
MAX_LINES = 2_000
_END_SIGNS = re.compile(r"[\s?!.¿¡]+$|^[\s¿¡]+")
_LINE = re.compile(r"\s+")


def plain_question(question: str) -> str:
    """A question as it is compared letter by letter: lower case, single spaces, no sign at its ends."""
    return _END_SIGNS.sub("", _LINE.sub(" ", question).casefold())


def as_markdown(question: str, phrasings: Sequence[str], answer: str) -> bytes:
    """The answer below each way to ask for it: each becomes a passage, found by its own words and meaning."""
    asked = dict.fromkeys((question, *phrasings))
    title = question.replace('"', "'")
    return "\n\n".join([f'---\ntitle: "{title}"\n---', *(f"# {way}\n\n{answer}" for way in asked)]).encode()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file; `number` is the one a spreadsheet shows, `problem` a sentence when it is not usable."""

    number: int
    question: str
    phrasings: tuple[str, ...]
    answer: str
    problem: str = ""
    access_tags: tuple[str, ...] = ()


def read_lines(content: bytes) -> Iterator[Line]:
    """The lines of a CSV file with the columns question and answer, and maybe phrasings and access_tags (apart by `|`).

    Raises `Unreadable` for a file that is no such table.
    """
    text = decode(content)
    reader = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text))
    columns = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
    if not {"question", "answer"} <= columns.keys():
        raise Unreadable(
            "The first line must name the columns “question” and “answer”, and may name “phrasings” and “access_tags”."
        )
    for count, row in enumerate(reader):
        if count >= MAX_LINES:
            raise Unreadable(f"A file may have {MAX_LINES:,} lines at most. Split it.")
        question = _LINE.sub(" ", row[columns["question"]] or "").strip()
        answer = (row[columns["answer"]] or "").strip()
        phrasings, tags = (_parts(row, columns.get(name)) for name in ("phrasings", "access_tags"))
        yield Line(reader.line_num, question, phrasings, answer, problem_of(question, phrasings, answer), tags)


def _parts(row: Mapping[str, str | None], column: str | None) -> tuple[str, ...]:
    parts = (row[column] or "").split("|") if column is not None else []
    return tuple(filter(None, (_LINE.sub(" ", part).strip() for part in parts)))


def problem_of(question: str, phrasings: Sequence[str], answer: str) -> str:
    """Why these cannot be an entry; empty when they can."""
    if not question:
        return "Write the question."
    if not answer:
        return "Write the answer."
    if len(question) > MAX_QUESTION_CHARS or any(len(way) > MAX_QUESTION_CHARS for way in phrasings):
        return f"A question may have {MAX_QUESTION_CHARS} characters at most."
    if len(answer) > MAX_ANSWER_CHARS:
        return f"An answer may have {MAX_ANSWER_CHARS:,} characters at most."
    if len(phrasings) > MAX_PHRASINGS:
        return f"There may be {MAX_PHRASINGS} other phrasings at most."
    return ""


def _delimiter(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max(",;\t", key=head.count)
