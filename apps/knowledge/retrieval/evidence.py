"""What the rest of a document says about one of its passages.

A passage is cut out of a text that names its subject once, at the top: "What does `common` verify?" finds the
test class by its name and misses the method, which stands three passages further on. So a passage gains from
the best passage of its document, and from its neighbours (Callan, "Passage-Level Evidence in Document
Retrieval", SIGIR 1994, the other way round).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

# The shares are relative to the passage's own score. On the public sets more helps code and hurts prose.
DOCUMENT_SHARE = 0.3
NEIGHBOUR_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands: its document, and its number in reading order."""

    document: Hashable
    ordinal: int


def with_evidence(scores: Mapping[Key, float], places: Mapping[Key, Place]) -> dict[Key, float]:
    """Scores with what document and neighbours add, in [0, 1] again, best first. Keys without a place go."""
    best: dict[Hashable, float] = {}
    at: dict[tuple[Hashable, int], float] = {}
    for key, place in places.items():
        score = scores.get(key, 0.0)
        best[place.document] = max(best.get(place.document, 0.0), score)
        at[place.document, place.ordinal] = score
    raised = {
        key: (
            scores.get(key, 0.0)
            + DOCUMENT_SHARE * best[place.document]
            + NEIGHBOUR_SHARE * max(at.get((place.document, place.ordinal + step), 0.0) for step in (-1, 1))
        )
        / (1.0 + DOCUMENT_SHARE + NEIGHBOUR_SHARE)
        for key, place in places.items()
    }
    return dict(sorted(raised.items(), key=lambda item: -item[1]))
