"""What a search looks at: indexes as they are now, or one as it was at a revision of its base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from parley.tenancy import require_tenant_id

_OF_REGION = "SELECT * FROM {table} WHERE tenant_id = %(tenant)s AND search_index_id = ANY(%(indexes)s)"
_LIVE = "valid_to IS NULL"


@dataclass(frozen=True, slots=True)
class Region:
    """Indexes whose rows one statement reads; `total` is the number of passages in them.

    Without a `revision` the live rows, with one the rows that were valid then. Indexes of different dimensions
    are different regions.
    """

    search_index_ids: tuple[UUID, ...]
    total: int
    revision: int | None = None
    dimensions: int = 384

    def rows_of(self, table: str) -> str:
        """The region's rows of a table with a validity, as a table expression; its values are in `parameters`.

        Live and ended rows are read apart, each by an index of its own.
        """
        rows = _OF_REGION.format(table=table)
        if self.revision is None:
            return f"({rows} AND {_LIVE})"
        begun = "valid_from <= %(revision)s"
        return f"({rows} AND {_LIVE} AND {begun} UNION ALL {rows} AND {begun} AND valid_to > %(revision)s)"

    @property
    def validity(self) -> str:
        """The condition that a row with a validity is of this region's moment."""
        if self.revision is None:
            return _LIVE
        return "valid_from <= %(revision)s AND (valid_to IS NULL OR valid_to > %(revision)s)"

    @property
    def parameters(self) -> dict[str, Any]:
        """The values that `rows_of` names, for the ambient tenant."""
        return {"tenant": require_tenant_id(), "indexes": list(self.search_index_ids), "revision": self.revision}
