"""JSON and JSON lines: every record becomes a section of readable `key: value` lines, nesting kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument, Unreadable, table_text
from apps.knowledge.ingest.formats.text import decode

_TITLE_KEYS = (
    "title",
    "name",
    "question",
    "subject",
    "headline",
    "heading",
    "label",
    "topic",
    "term",
    "id",
    "key",
    "sku",
)
_MAX_TITLE = 160
_MAX_SECTION_DEPTH = 4
_MAX_INDENT = 8
_LONG_TEXT = 200
_MAX_TABLE_FIELDS = 12
_TABLE_SAMPLE = 50
_SPACE = " \t\n\r"


def read_json(content: bytes) -> ExtractedDocument:
    """The document of a JSON file. Raises `Unreadable` naming the line where it is no JSON."""
    text = decode(content)
    start = _skip(text, 0)
    builder = BlockBuilder()
    if text[start : start + 1] == "[":
        _add_records(builder, _elements(text, start), 1)
        return _finish(builder, "")
    value, end = _value(text, start)
    if _skip(text, end) < len(text):
        return _finish_lines(text)
    title = ""
    if isinstance(value, dict):
        title = _title(value)
        _add_object(builder, value, 1, is_titled=bool(title))
    else:
        builder.add("paragraph", _scalar(value))
    return _finish(builder, title)


def read_json_lines(content: bytes) -> ExtractedDocument:
    """The document of a file with one JSON value per line."""
    return _finish_lines(decode(content))


def is_json(text: str, *, is_complete: bool) -> bool:
    """Whether text is JSON or JSON lines; a beginning of it counts when `is_complete` is False."""
    start = _skip(text, 0)
    if text[start : start + 1] not in ("{", "["):
        return False
    try:
        json.JSONDecoder(strict=False).raw_decode(text, start)
    except json.JSONDecodeError as error:
        # A cut-off beginning is fine as long as nothing before the cut is wrong.
        return not is_complete and error.pos > len(text) * 0.9
    except RecursionError:
        return True
    return True


def _finish(builder: BlockBuilder, title: str) -> ExtractedDocument:
    # The first record's heading would be a poor title of the whole file.
    return ExtractedDocument(title, tuple(builder.blocks))


def _finish_lines(text: str) -> ExtractedDocument:
    builder = BlockBuilder()
    _add_records(builder, _line_values(text), 1)
    return _finish(builder, "")


def _line_values(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            value, end = _value(line, _skip(line, 0), line_number=number)
            if _skip(line, end) < len(line):
                raise _broken(number)
            yield value


def _elements(text: str, start: int) -> Iterator[Any]:
    """The elements of the array at `start`, one at a time: a long array is never held as objects."""
    position = _skip(text, start + 1)
    if text[position : position + 1] == "]":
        return
    while True:
        value, position = _value(text, position)
        yield value
        position = _skip(text, position)
        mark = text[position : position + 1]
        if mark == "]":
            if _skip(text, position + 1) < len(text):
                raise _broken(text.count("\n", 0, position) + 1)
            return
        if mark != ",":
            raise _broken(text.count("\n", 0, position) + 1)
        position = _skip(text, position + 1)


def _value(text: str, start: int, line_number: int = 0) -> tuple[Any, int]:
    try:
        # A number of thousands of digits is a hostile one; what it says is kept as text.
        return json.JSONDecoder(strict=False, parse_int=_number, parse_float=str).raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _broken(line_number or error.lineno) from error


def _number(digits: str) -> int | str:
    return int(digits) if len(digits) < 30 else digits


def _broken(line: int) -> Unreadable:
    return Unreadable(
        f"Line {line} of the file is not valid JSON. Correct it, or export the file again, and upload it."
    )


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _title(record: dict[str, Any]) -> str:
    by_name = {key.lower(): value for key, value in record.items()}
    for key in _TITLE_KEYS:
        value = by_name.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and 0 < len(str(value).strip()) <= _MAX_TITLE:
            return str(value).strip()
    return ""


def _add_records(builder: BlockBuilder, values: Iterator[Any], level: int) -> None:
    """Small records of the same few fields are the rows of a table; others become sections, scalars a list."""
    sample = [value for _, value in zip(range(_TABLE_SAMPLE), values, strict=False)]
    if fields := _table_fields(sample):
        rows = [fields]
        others = []
        for value in _chain(sample, values):
            if isinstance(value, dict) and set(value) <= set(fields) and not any(map(_is_nested, value.values())):
                rows.append([_scalar(value.get(name)) for name in fields])
            else:
                others.append(value)
        builder.add("table", table_text(rows))
        sample, values = others, iter(())
    scalars: list[str] = []
    for number, value in enumerate(_chain(sample, values), start=1):
        if isinstance(value, dict):
            title = _title(value)
            builder.heading(title or f"Record {number}", level)
            _add_object(builder, value, level + 1, is_titled=bool(title))
        elif isinstance(value, list):
            builder.add("list", "\n".join(_lines("", value, 0)))
        else:
            scalars.append(f"- {_scalar(value)}")
    builder.add("list", "\n".join(scalars))


def _chain(sample: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from sample
    yield from rest


def _table_fields(sample: list[Any]) -> list[str]:
    """The common fields of records that fit a table; empty when they do not."""
    if len(sample) < 2 or not all(isinstance(value, dict) for value in sample):
        return []
    fields = list(dict.fromkeys(name for record in sample for name in record))
    are_short = all(
        not _is_nested(value) and len(_scalar(value)) <= _LONG_TEXT for record in sample for value in record.values()
    )
    is_regular = sum(len(record) for record in sample) >= 0.7 * len(fields) * len(sample)
    return fields if are_short and is_regular and 2 <= len(fields) <= _MAX_TABLE_FIELDS else []


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _add_object(builder: BlockBuilder, record: dict[str, Any], level: int, *, is_titled: bool) -> None:
    """Short values as lines of one list, long texts as paragraphs, what is nested as sections below."""
    lines: list[str] = []
    long_texts: list[tuple[str, str]] = []
    nested: list[tuple[str, Any]] = []
    for key, value in record.items():
        if _deserves_section(value) and level <= _MAX_SECTION_DEPTH:
            nested.append((key, value))
        elif isinstance(value, str) and (len(value) > _LONG_TEXT or "\n" in value):
            long_texts.append((key, value))
        else:
            lines += _lines(f"{key}: ", value, 0)
    builder.add("list", "\n".join(lines))
    for key, text in long_texts:
        builder.add("paragraph", text if is_titled and len(long_texts) == 1 else f"{key}: {text}")
    for key, value in nested:
        builder.heading(key, level)
        if isinstance(value, dict):
            _add_object(builder, value, level + 1, is_titled=False)
        else:
            _add_records(builder, iter(value), level + 1)


def _deserves_section(value: Any) -> bool:
    """Objects within objects and lists of objects; a flat object of a few short values stays a few lines."""
    if isinstance(value, list):
        return any(isinstance(item, dict) for item in value)
    return isinstance(value, dict) and (len(value) > 6 or any(_is_nested(item) for item in value.values()))


def _lines(label: str, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * min(depth, _MAX_INDENT)
    if isinstance(value, dict) and value:
        yield f"{indent}{label}".rstrip()
        for key, item in value.items():
            yield from _lines(f"{key}: ", item, depth + 1)
    elif isinstance(value, list) and any(map(_is_nested, value)):
        yield f"{indent}{label}".rstrip()
        for item in value:
            yield from _lines("- ", item, depth + 1)
    elif isinstance(value, list):
        yield f"{indent}{label}{', '.join(map(_scalar, value))}"
    else:
        yield f"{indent}{label}{_scalar(value)}"


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value.split()) if isinstance(value, str) else str(value)
