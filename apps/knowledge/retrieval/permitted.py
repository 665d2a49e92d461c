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

# Most fields hold one value, which is compared without a subquery. An absent field fits nothing.
_SOME_ITEM = """CASE WHEN jsonb_typeof(known.metadata -> %({name})s) = 'array'
    THEN EXISTS (SELECT FROM jsonb_array_elements(known.metadata -> %({name})s) AS held (item) WHERE {item_test})
    ELSE COALESCE({test}, false) END"""
# CASE, because AND promises no order and a cast of another kind of text would fail.
_MOMENT_TEST = """CASE WHEN jsonb_typeof({item}) = 'string' AND ({item} #>> '{{}}') ~ %(iso_moment)s
    AND pg_input_is_valid({item} #>> '{{}}', 'timestamptz')
    THEN ({item} #>> '{{}}')::timestamptz {sign} %({value})s ELSE false END"""
_NUMBER_TEST = "jsonb_typeof({item}) = 'number' AND {item} {sign} %({value})s::jsonb"
# A list contains an item that it holds.
_EQUAL_TEST = "%({value})s::jsonb @> {item}"
_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


@dataclass(frozen=True, slots=True)
class Permitted:
    """Documents as a condition: `only` these, all `but` those, or what `question` says of the documents table.

    Without any of them everything is permitted. `values` are what `condition` names; `passages` is how many the
    documents of `only` have now.
    """

    only: tuple[UUID, ...] | None = None
    but: tuple[UUID, ...] = ()
    question: str = ""
    passages: int = 0
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
        return _all_but(withheld)
    if (listed := _listed(fits, values)) is not None:
        ids = tuple(listed)
        return Permitted(only=ids, passages=sum(listed.values()), values={"permitted": list(ids)})
    if (withheld := _listed(is_other, values)) is not None:
        return _all_but(withheld)
    return Permitted(question=f"SELECT known.id {_OF_BASES} AND {fits}", values=values)


def _all_but(withheld: Mapping[UUID, int]) -> Permitted:
    return Permitted(but=tuple(withheld), values={"withheld": list(withheld)}) if withheld else EVERYTHING


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
    sign = _SIGNS.get(comparison.comparator, "")
    if isinstance(comparison.value, datetime):
        values[value], test = comparison.value, _MOMENT_TEST
    elif sign:
        values[value], test = json.dumps(comparison.value), _NUMBER_TEST
    else:
        held = comparison.value if comparison.comparator == "in" else [comparison.value]
        values[value], test = json.dumps(held), _EQUAL_TEST
    alone = f"(known.metadata -> %({name})s)"
    return _SOME_ITEM.format(
        name=name,
        item_test=test.format(item="item", sign=sign, value=value),
        test=test.format(item=alone, sign=sign, value=value),
    )


def _listed(condition: str, values: Mapping[str, Any]) -> dict[UUID, int] | None:
    """The documents of which this is true, with the number of their passages; None when they are too many to list."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT known.id, known.chunk_count {_OF_BASES} AND {condition} LIMIT %(most)s",
            {**values, "most": MAX_LISTED + 1},
        )
        listed = dict(cursor.fetchall())
    return listed if len(listed) <= MAX_LISTED else None
