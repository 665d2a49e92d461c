"""One measured figure, and how it is printed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of `make bench`.

    `value` is in `unit`; `reference` is the same measured for what is compared against, in the same run on the
    same machine, and `ratio` is value / reference. `spread` is the distance between the quartiles of the runs.
    """

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    runs: int = 1
    spread: float | None = None
    note: str | None = None

    @classmethod
    def of_runs(
        cls,
        name: str,
        unit: str,
        values: Sequence[float],
        *,
        references: Sequence[float] | None = None,
        note: str | None = None,
    ) -> Figure:
        """The median of several runs; with references (one per run, alternating) also the median ratio."""
        ratios = [value / other for value, other in zip(values, references, strict=True)] if references else None
        return cls(
            name=name,
            value=statistics.median(values),
            unit=unit,
            reference=statistics.median(references) if references else None,
            ratio=statistics.median(ratios) if ratios else None,
            runs=len(values),
            spread=_quartile_distance(values),
            note=note,
        )

    def to_json(self) -> str:
        """One line; four significant digits are more than a benchmark knows."""
        fields = {key: float(f"{item:.4g}") if isinstance(item, float) else item for key, item in asdict(self).items()}
        if fields["note"] is None:
            del fields["note"]
        return json.dumps(fields)


def _quartile_distance(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower
