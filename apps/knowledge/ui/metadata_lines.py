"""Metadata as people type it: a name and a value on each line, such as `year: 2026`. Pure.

What reads as JSON is a number, true or false, or a list; all else is a text. Names and texts that would be read
otherwise are written as JSON strings, so that what is written is read the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn


class BadLine(ValueError):
    """A sentence about a line that cannot be read."""


def read_lines(text: str) -> dict[str, Any]:
    """The object that the lines say. Raises `BadLine` for a line without a name or value, or a name said twice."""
    read: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, said = _parts(line.strip())
        if name is None or said is None:
            raise BadLine(f"Line {number} is no name with a value, such as year: 2026.")
        if name in read:
            raise BadLine(f"Line {number} names “{name}” again. Write a list: {name}: [1, 2].")
        read[name] = _value_of(said)
    return read


def write_lines(metadata: Mapping[str, Any]) -> str:
    """The lines that say an object of plain values and lists of them."""
    return "\n".join(f"{_name_words(name)}: {_value_words(value)}" for name, value in metadata.items())


def _parts(line: str) -> tuple[str | None, str | None]:
    if line.startswith('"'):
        try:
            name, end = json.JSONDecoder().raw_decode(line)
        except ValueError:
            return None, None
        rest = line[end:].lstrip()
        return str(name), rest[1:].strip() if rest.startswith(":") else None
    name, colon, said = line.partition(":")
    return name.strip() or None, said.strip() if colon else None


def _value_of(said: str) -> Any:
    try:
        value = json.loads(said, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return said
    return said if value is None else value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _name_words(name: str) -> str:
    is_plain = name and not name.startswith('"') and ":" not in name and _is_one_line(name)
    return name if is_plain else json.dumps(name)


def _value_words(value: Any) -> str:
    is_plain = isinstance(value, str) and _is_one_line(value) and _value_of(value) == value
    return value if is_plain else json.dumps(value, ensure_ascii=not _is_one_line(str(value)))


def _is_one_line(text: str) -> bool:
    return text == text.strip() and len(text.splitlines()) <= 1
