"""What a search looks at: indexes as they are now, and others as they were at a revision of their base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.knowledge.embedders import Embedder
from apps.knowledge.retrieval.permitted import EVERYTHING, Permitted
from parley.tenancy import require_tenant_id

_ROWS = "SELECT * FROM {table} WHERE tenant_id = %(tenant)s AND {documents} AND search_index_id ="
_LIVE = "search_index_id = ANY(%(indexes)s) AND valid_to IS NULL"


@dataclass(frozen=True, slots=True)
class Region:
    """Indexes whose rows one statement reads, and the documents in them that the search may find.

    `total` is about the number of passages that may be found, `share` their part in (0, 1] of all, as far as known.
    `search_index_ids` are searched live, the `pinned` ones (index, revision) by the rows that were valid then. Indexes
    of different dimensions are different regions.

    Every statement that proposes passages reads its rows through `rows_of`, `validity` or `documents`, so that what
    is not permitted is no candidate of any kind.
    """

    search_index_ids: tuple[UUID, ...]
    total: int
    pinned: tuple[tuple[UUID, int], ...] = ()
    dimensions: int = 384
    permitted: Permitted = EVERYTHING
    # What made the vectors of each index.
    embedders: Mapping[UUID, Embedder] = field(default_factory=dict)
    share: float = 1.0
    # Whether documents arrived just now whose own vectors are still missing.
    has_sketches: bool = True

    @property
    def documents(self) -> str:
        """The condition that a row's document may be found; its values are in `parameters`."""
        return self.permitted.condition("document_id")

    @property
    def all_index_ids(self) -> tuple[UUID, ...]:
        """Every index of the region, live or pinned."""
        return (*self.search_index_ids, *(index_id for index_id, _ in self.pinned))

    def rows_of(self, table: str) -> str:
        """The region's rows of a table with a validity, as a table expression; its values are in `parameters`.

        Live and ended rows are read apart, each by an index of its own.
        """
        rows = _ROWS.format(table=table, documents=self.documents)
        parts = [f"{rows} ANY(%(indexes)s) AND valid_to IS NULL"] if self.search_index_ids or not self.pinned else []
        for number in range(len(self.pinned)):
            then = f"{rows} %(pinned{number})s AND valid_from <= %(revision{number})s"
            parts += [f"{then} AND valid_to IS NULL", f"{then} AND valid_to > %(revision{number})s"]
        return f"({' UNION ALL '.join(parts)})"

    @property
    def validity(self) -> str:
        """The condition that a row with a validity is of this region, its moment and its documents."""
        moments = [
            f"search_index_id = %(pinned{number})s AND valid_from <= %(revision{number})s"
            f" AND (valid_to IS NULL OR valid_to > %(revision{number})s)"
            for number in range(len(self.pinned))
        ]
        is_valid = " OR ".join(f"({condition})" for condition in (_LIVE, *moments))
        return f"({is_valid}) AND {self.documents}"

    @property
    def parameters(self) -> dict[str, Any]:
        """The values that `rows_of`, `validity` and `documents` name, for the ambient tenant."""
        values: dict[str, Any] = {**self.permitted.values}
        values |= {"tenant": require_tenant_id(), "indexes": list(self.search_index_ids)}
        for number, (index_id, revision) in enumerate(self.pinned):
            values |= {f"pinned{number}": index_id, f"revision{number}": revision}
        return values
