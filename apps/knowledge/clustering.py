"""Puts questions together that mean the same. Pure.

Leader clustering (Hartigan, Clustering Algorithms, 1975, ch. 3) in one pass: each question joins the group whose mean
it is most similar to, or leads a group of its own. Unlike k-means it needs no number of groups, and most questions
nobody answered are alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Measured with the bundled embedder on samples of CLINC150's short requests. With many alike (30 intents of 15) a pair
# put together belongs together in 100 of 100 cases and 62 of 100 pairs are found; with 60 intents of 8 in 69 and 55.
# At 0.45 those are 99 and 71, 63 and 64; at 0.55, 100 and 50, 76 and 45: a wrong neighbour is seen at a glance and
# costs less than a need split into many.
SAME_NEED = 0.5


def group_by_meaning(
    vectors: npt.NDArray[np.float32], weights: Sequence[int], *, threshold: float = SAME_NEED
) -> list[list[int]]:
    """Groups of row numbers, in the order of their first rows.

    `vectors` holds one unit vector a row, `weights` how often each counts for the mean of its group. Rows come first
    that shall lead.
    """
    groups: list[list[int]] = []
    sums = np.zeros_like(vectors)
    means = np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        similar = means[: len(groups)] @ vector
        nearest = int(similar.argmax()) if groups else -1
        if nearest < 0 or similar[nearest] < threshold:
            nearest = len(groups)
            groups.append([])
        groups[nearest].append(row)
        sums[nearest] += vector * weights[row]
        means[nearest] = sums[nearest] / max(float(np.linalg.norm(sums[nearest])), 1e-12)
    return groups
