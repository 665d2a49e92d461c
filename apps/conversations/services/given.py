"""What a conversation brings along for the variables of a prompt, by who said it.

A visitor's browser speaks for `visitor` and `page`, a program with a key for all three: a browser cannot give what a
prompt expects from a program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.conversations.frames import clean
from parley.errors import Invalid

FROM_BROWSERS = ("visitor", "page")
FROM_PROGRAMS = ("visitor", "page", "api")
_MOST_VALUES = 40
_LONGEST_VALUE = 2_000
_LONGEST_NAME = 40

Given = dict[str, dict[str, Any]]


def read_given(body: Mapping[str, Any], *, sources: Iterable[str]) -> Given:
    """The values in a body, by source: `visitor`, `page`, and `variables` for those of a program.

    Only words, numbers and yes or no are values; longer words are cut. Raises `Invalid` naming the member.
    """
    given: Given = {}
    for source in sources:
        member = "variables" if source == "api" else source
        values = body.get(member)
        if values is None:
            continue
        if not isinstance(values, dict) or len(values) > _MOST_VALUES:
            sentence = f"Send an object with at most {_MOST_VALUES} values."
            raise Invalid(f"{member} is not valid.", errors={member: [sentence]})
        kept = {str(name): _value(value) for name, value in values.items() if len(str(name)) <= _LONGEST_NAME}
        if kept := {name: value for name, value in kept.items() if value is not None}:
            given[source] = kept
    return given


def merged(first: Given, then: Given) -> Given:
    """Both, where the later one wins name by name."""
    return {source: {**first.get(source, {}), **then.get(source, {})} for source in {**first, **then}}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)[:_LONGEST_VALUE]
    return value if isinstance(value, bool | int | float) else None
