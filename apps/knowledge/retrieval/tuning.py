"""Finds weights and a threshold for a base from questions whose document is known. Pure.

Few labels fit themselves easily, so what a choice gains is told by cross-validation: each fifth of the cases is
ranked by the weight that was best on the other four.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import mean
from uuid import UUID

from apps.knowledge.contracts import Figures, Tuning
from apps.knowledge.retrieval.evidence import Place, with_evidence
from apps.knowledge.retrieval.fusion import automatic_vector_weight, fuse

# None is the weight that follows each question.
WEIGHTS: tuple[float | None, ...] = (None, *(step / 10 for step in range(11)))
THRESHOLDS: tuple[float, ...] = tuple(step / 20 for step in range(13))
DEPTH = 8
FOLDS = 5
# Of the questions that find their document, so many must still find it above the threshold.
_KEPT = 0.98


@dataclass(frozen=True, slots=True)
class TuningCase:
    """A question with its candidates and the documents that answer it.

    `relevance` is that of the expected documents' candidates, in [0, 1].
    """

    words: Mapping[UUID, float]
    similarities: Mapping[UUID, float]
    places: Mapping[UUID, Place]
    relevance: Mapping[UUID, float]
    expected: frozenset[Hashable]


def tune(cases: Sequence[TuningCase], *, vector_weight: float | None) -> Tuning:
    """The best weight, beside the present one, and the highest threshold that costs next to nothing."""
    ranks = {weight: [_rank(case, weight) for case in cases] for weight in {*WEIGHTS, vector_weight}}
    best = _best(ranks, range(len(cases)), vector_weight)
    unseen = [0] * len(cases)
    for fold in range(FOLDS):
        others = [place for place in range(len(cases)) if place % FOLDS != fold]
        chosen = _best(ranks, others, vector_weight)
        for place in range(fold, len(cases), FOLDS):
            unseen[place] = ranks[chosen][place]
    return Tuning(
        case_count=len(cases),
        now=_figures(ranks[vector_weight]),
        tuned=_figures(unseen),
        vector_weight=best,
        min_relevance=_threshold([case for case, rank in zip(cases, ranks[best], strict=True) if rank]),
    )


def _rank(case: TuningCase, weight: float | None) -> int:
    """The place of the first passage that answers, from 1; 0 when it is not among the first."""
    share = automatic_vector_weight(case.similarities) if weight is None else weight
    ordered = with_evidence(fuse(case.words, case.similarities, vector_weight=share), case.places)
    for rank, key in enumerate(list(ordered)[:DEPTH], start=1):
        if case.places[key].document in case.expected:
            return rank
    return 0


def _best(ranks: Mapping[float | None, Sequence[int]], places: Sequence[int], present: float | None) -> float | None:
    """The weight with the best ranks on these cases; the present one unless another is truly better."""

    def worth(weight: float | None) -> tuple[float, float, bool, bool]:
        figures = _figures([ranks[weight][place] for place in places])
        return (round(figures.mrr, 6), round(figures.recall, 6), weight == present, weight is None)

    return max(ranks, key=worth)


def _figures(ranks: Sequence[int]) -> Figures:
    return Figures(mean(rank > 0 for rank in ranks), mean(1 / rank if rank else 0.0 for rank in ranks))


def _threshold(found: Sequence[TuningCase]) -> float:
    """One step below the highest threshold that keeps the documents of nearly all questions that find theirs."""
    reached = [max(case.relevance.values(), default=0.0) for case in found]
    keeps: Callable[[float], bool] = partial(_keeps, reached)
    held = [lower for lower, upper in pairwise(THRESHOLDS) if keeps(upper)]
    return max(held, default=0.0)


def _keeps(reached: Sequence[float], threshold: float) -> bool:
    return bool(reached) and mean(value >= threshold for value in reached) >= _KEPT
