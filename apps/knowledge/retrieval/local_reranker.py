"""A small learned reranker: how much the document and the neighbours of a passage speak for it.

Who asks about a program or a manual is mostly answered by several passages of one document, and the best of them
name what was asked while the others only belong to it. The fusion lets a document count a little, because more
hurts prose; a base of long documents may let it count as much as learning found it to.

The shares are those of a linear model over fused score, best fused score of the document, and better neighbour,
trained by listwise cross entropy (Cao, Qin, Liu, Tsai, Li, ICML 2007) on public questions. Ten more features of
the words (coverage, pairs, length, headings) were tried and made it worse on the sets it was not trained on. See
docs/performance.md for what it reaches on questions it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.knowledge.contracts import Passage

# Relative to the passage's own fused score.
DOCUMENT_SHARE = 2.5
NEIGHBOUR_SHARE = 0.35
# It considers every passage of so many of the best documents, up to so many passages.
DOCUMENTS, PASSAGES = 5, 200


class LocalReranker:
    """Needs no model and no provider: about a millisecond for 200 passages."""

    depth = PASSAGES

    def __call__(self, question: str, passages: Sequence[Passage]) -> list[float]:
        """A score in [0, 1] for each passage; 1 is the best passage of all beside the second best."""
        fused = [passage.explanation.fused if passage.explanation else 0.0 for passage in passages]
        best: dict[UUID, float] = {}
        at: dict[tuple[UUID, int], float] = {}
        for passage, score in zip(passages, fused, strict=True):
            best[passage.document_id] = max(best.get(passage.document_id, 0.0), score)
            at[passage.document_id, passage.ordinal] = score
        return [
            (score + DOCUMENT_SHARE * best[passage.document_id] + NEIGHBOUR_SHARE * _better_neighbour(passage, at))
            / (1.0 + DOCUMENT_SHARE + NEIGHBOUR_SHARE)
            for passage, score in zip(passages, fused, strict=True)
        ]


def _better_neighbour(passage: Passage, at: dict[tuple[UUID, int], float]) -> float:
    return max(at.get((passage.document_id, passage.ordinal + step), 0.0) for step in (-1, 1))
