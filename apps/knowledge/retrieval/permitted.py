"""Which documents a search may find: those that its audience may read and whose metadata fit.

The documents table decides at the moment of the search, also for a snapshot: who may read something is about now.
What it says is turned into a condition on `document_id`, an equality that is leakproof, so that row-level security
lets an index serve it (decision 0007). Short lists of ids are sent, whichever of both sides is shorter; only where
both are long does every statement ask the documents again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.knowledge.contracts import Audience
from apps.knowledge.retrieval.metadata_filter import (
    ISO_MOMENT,
    All,
    Comparison,
    Condition,
    Either,
    Not,
    comparisons_of,
    parse_filter,
)
from parley.tenancy import require_tenant_id

# A list of so many ids costs a statement about a millisecond.
MAX_LISTED = 2_000

_OF_BASES = """
FROM knowledge_document AS known
WHERE known.tenant_id = %(tenant)s AND known.knowledge_base_id = ANY(%(bases)s) AND known.deleted_at IS NULL
"""
# The condition of the partial index `knowledge_document_tagged`.
_IS_TAGGED = "NOT (known.access_tags = '{}'::varchar(40)[])"
_MAY_READ = "(known.access_tags = '{}'::varchar(40)[] OR known.access_tags && %(access_tags)s::varchar[])"

# An absent field is one item null, which nothing equals.
_SOME_ITEM = """EXISTS (
    SELECT FROM jsonb_array_elements(
        CASE jsonb_typeof(known.metadata -> %({name})s)
            WHEN 'array' THEN known.metadata -> %({name})s ELSE jsonb_build_array(known.metadata -> %({name})s)
        END
    ) AS held (item) WHERE {test}
)"""
# CASE, because AND promises no order and a cast of another kind of text would fail.
_MOMENT_TEST = """CASE WHEN jsonb_typeof(item) = 'string' AND item #>> '{{}}' ~ %(iso_moment)s
    AND pg_input_is_valid(item #>> '{{}}', 'timestamptz')
    THEN (item #>> '{{}}')::timestamptz {sign} %({value})s ELSE false END"""
_NUMBER_TEST = "jsonb_typeof(item) = 'number' AND item {sign} %({value})s::jsonb"
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Permitted:
    """Documents as a condition: `only` these, all `but` those, or what `question` says of the documents table.

    Without any of them everything is permitted. `values` are what `condition` names.
    """

    only: tuple[UUID, ...] | None = None
    but: tuple[UUID, ...] = ()
    question: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.only is None and not self.but and not self.question

    def condition(self, column: str) -> str:
        """That a column holds the id of a permitted document, as SQL without any value in it."""
        if self.only is not None:
            return f"{column} = ANY(%(permitted)s)"
        if self.but:
            return f"{column} <> ALL(%(withheld)s)"
        return f"{column} IN ({self.question})" if self.question else "true"


EVERYTHING = Permitted()


def permitted_of(base_ids: Sequence[UUID], audience: Audience) -> Permitted:
    """What an audience may find in these bases. Inside the caller's tenant transaction. Raises `Invalid`."""
    wanted = parse_filter(audience.metadata_filter)
    if wanted is None and audience.reads_everything:
        return EVERYTHING
    values: dict[str, Any] = {"tenant": require_tenant_id(), "bases": list(base_ids)}
    values["access_tags"] = list(audience.access_tags)
    fits = " AND ".join(
        [
            *([] if audience.reads_everything else [_MAY_READ]),
            *([] if wanted is None else [filter_condition(wanted, values)]),
        ]
    )
    # Almost every search: no filter, and few documents with tags or none.
    is_other = f"{_IS_TAGGED} AND NOT ({fits})" if wanted is None else f"NOT ({fits})"
    if wanted is None and (withheld := _listed(is_other, values)) is not None:
        return Permitted(but=withheld, values={"withheld": list(withheld)}) if withheld else EVERYTHING
    if (permitted := _listed(fits, values)) is not None:
        return Permitted(only=permitted, values={"permitted": list(permitted)})
    if (withheld := _listed(is_other, values)) is not None:
        return Permitted(but=withheld, values={"withheld": list(withheld)}) if withheld else EVERYTHING
    return Permitted(question=f"SELECT known.id {_OF_BASES} AND {fits}", values=values)


def filter_condition(wanted: Condition, values: dict[str, Any]) -> str:
    """A filter as SQL about `known.metadata`, true or false and never null; what it names is added to `values`."""
    values["iso_moment"] = ISO_MOMENT
    numbers = {id(each): number for number, each in enumerate(comparisons_of(wanted))}
    return _sql(wanted, numbers, values)


def _sql(condition: Condition, numbers: Mapping[int, int], values: dict[str, Any]) -> str:
    match condition:
        case All(parts):
            return f"({' AND '.join(_sql(part, numbers, values) for part in parts)})"
        case Either(parts):
            return f"({' OR '.join(_sql(part, numbers, values) for part in parts)})"
        case Not(part):
            return f"(NOT {_sql(part, numbers, values)})"
        case Comparison():
            return _compared(condition, numbers[id(condition)], values)


def _compared(comparison: Comparison, number: int, values: dict[str, Any]) -> str:
    name, value = f"field{number}", f"value{number}"
    values[name] = comparison.field
    if comparison.comparator == "exists":
        return f"((known.metadata -> %({name})s) IS {'NOT ' if comparison.value else ''}NULL)"
    if isinstance(comparison.value, datetime):
        values[value] = comparison.value
        test = _MOMENT_TEST.format(sign=_SIGNS[comparison.comparator], value=value)
        return _SOME_ITEM.format(name=name, test=test)
    if comparison.comparator in _SIGNS:
        values[value] = json.dumps(comparison.value)
        test = _NUMBER_TEST.format(sign=_SIGNS[comparison.comparator], value=value)
        return _SOME_ITEM.format(name=name, test=test)
    # A list contains an item that it holds.
    held = comparison.value if comparison.comparator == "in" else [comparison.value]
    values[value] = json.dumps(held)
    return _SOME_ITEM.format(name=name, test=f"%({value})s::jsonb @> item")


def _listed(condition: str, values: Mapping[str, Any]) -> tuple[UUID, ...] | None:
    """The ids of the documents of which this is true; None when they are too many to list."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT known.id {_OF_BASES} AND {condition} LIMIT %(most)s",
            {**values, "most": MAX_LISTED + 1},
        )
        ids = tuple(row[0] for row in cursor.fetchall())
    return ids if len(ids) <= MAX_LISTED else None
