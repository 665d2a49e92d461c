"""The small language in which a search says what the metadata of a document must be. Pure: JSON in, conditions out.

`{"field": "year", "gte": 2024}` compares one field; several comparisons of one object must all hold. `{"and": […]}`,
`{"or": […]}` and `{"not": {…}}` combine. A field that holds a list fits when one of its items does.

    eq, in              a text, number, true or false; a list of these. 1 and 1.0 are equal, true and 1 are not.
    gt, gte, lt, lte    a number, held against numbers; or an ISO date or time, held against texts that are one (a
                        date is its first moment, and without an offset UTC). Anything else does not fit.
    exists              true or false: whether the document has the field.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from parley.errors import Invalid

MAX_FILTER_BYTES = 4_096
MAX_DEPTH = 5
MAX_CONDITIONS = 50
MAX_VALUES = 100
MAX_FIELD_CHARS = 200
ISO_MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?$"

Comparator = Literal["eq", "in", "gt", "gte", "lt", "lte", "exists"]
Scalar = str | int | float | bool
_COMPARATORS: tuple[Comparator, ...] = ("eq", "in", "gt", "gte", "lt", "lte", "exists")
_GROUPS = ("and", "or", "not")
_MOMENT = re.compile(ISO_MOMENT)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against a value; `value` is a datetime when moments are compared."""

    field: str
    comparator: Comparator
    value: Scalar | datetime | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Comparison | All | Either | Not


def parse_filter(written: Any, *, field: str = "filter") -> Condition | None:
    """A filter as it was sent; None when there is none (null or an empty object).

    Raises `Invalid` with a sentence that names the place, below the error key `field`.
    """
    if written is None or written == {}:
        return None
    try:
        size = len(json.dumps(written))
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(field, "The filter is no JSON object.") from error
    if size > MAX_FILTER_BYTES:
        raise _refused(field, f"The filter may have {MAX_FILTER_BYTES:,} bytes at most.")
    try:
        condition = _condition(written, "the filter", depth=1)
    except _Unfit as unfit:
        raise _refused(field, str(unfit)) from unfit
    if sum(1 for _ in comparisons_of(condition)) > MAX_CONDITIONS:
        raise _refused(field, f"The filter may make {MAX_CONDITIONS} comparisons at most.")
    return condition


def comparisons_of(condition: Condition) -> Iterator[Comparison]:
    """Every comparison of a filter."""
    match condition:
        case Comparison():
            yield condition
        case Not(part):
            yield from comparisons_of(part)
        case All(parts) | Either(parts):
            for part in parts:
                yield from comparisons_of(part)


class _Unfit(Exception):
    """A sentence about a part that cannot be read."""


def _refused(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, errors={field: [sentence]})


def _condition(written: Any, place: str, *, depth: int) -> Condition:
    if not isinstance(written, Mapping):
        raise _Unfit(f"In {place} an object is missing, such as {{“field”: “team”, “eq”: “shop”}}.")
    if depth > MAX_DEPTH:
        raise _Unfit(f"The filter may be nested {MAX_DEPTH} deep at most.")
    groups = [name for name in _GROUPS if name in written]
    if groups and len(written) > 1:
        raise _Unfit(f"In {place} “{groups[0]}” must stand alone in its object.")
    if not groups:
        return _comparisons(written, place)
    name, inner = groups[0], written[groups[0]]
    if name == "not":
        return Not(_condition(inner, f"“not” of {place}", depth=depth + 1))
    if not _is_list(inner) or not inner:
        raise _Unfit(f"“{name}” of {place} takes a list of at least one condition.")
    parts = [_condition(each, f"part {number} of “{name}”", depth=depth + 1) for number, each in enumerate(inner, 1)]
    return All(tuple(parts)) if name == "and" else Either(tuple(parts))


def _comparisons(written: Mapping[str, Any], place: str) -> Condition:
    unknown = next((name for name in written if name != "field" and name not in _COMPARATORS), None)
    if unknown is not None:
        known = ", ".join(("field", *_COMPARATORS, *_GROUPS))
        raise _Unfit(f"In {place} “{unknown[:40]}” is unknown. A filter knows {known}.")
    field = written.get("field")
    if not isinstance(field, str) or not field or len(field) > MAX_FIELD_CHARS or not _is_text(field):
        raise _Unfit(f"In {place} “field” must name a field of the metadata.")
    parts = [_comparison(field, name, written[name]) for name in _COMPARATORS if name in written]
    if not parts:
        raise _Unfit(f"In {place} a comparison of “{field}” is missing: {', '.join(_COMPARATORS)}.")
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _comparison(field: str, name: Comparator, value: Any) -> Comparison:
    if name == "exists":
        if not isinstance(value, bool):
            raise _Unfit(f"“exists” of “{field}” takes true or false.")
        return Comparison(field, name, value)
    if name == "in":
        if not _is_list(value) or not 1 <= len(value) <= MAX_VALUES or not all(map(_is_scalar, value)):
            raise _Unfit(f"“in” of “{field}” takes a list of 1 to {MAX_VALUES} texts, numbers, true or false.")
        return Comparison(field, name, tuple(value))
    if name == "eq":
        if not _is_scalar(value):
            raise _Unfit(f"“eq” of “{field}” takes a text, a number, true or false.")
        return Comparison(field, name, value)
    if isinstance(value, str) and (moment := moment_of(value)) is not None:
        return Comparison(field, name, moment)
    if isinstance(value, str | bool) or not _is_scalar(value):
        raise _Unfit(f"“{name}” of “{field}” takes a number or a date such as 2026-01-31 or 2026-01-31T12:00:00Z.")
    return Comparison(field, name, value)


def moment_of(text: str) -> datetime | None:
    """The moment that an ISO date or time names; a date is its first moment, without an offset in UTC."""
    if not _MOMENT.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, str):
        return _is_text(value)
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _is_text(value: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, and no half of a surrogate pair."""
    return "\0" not in value and value == value.encode(errors="ignore").decode()
