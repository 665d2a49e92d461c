"""Groundedness: how well the check tells supported from subtly wrong summaries of domains it was not trained on.

SummEdits' rows name the document, a summary and whether it is consistent. For each of four domains the head is
trained on the other three, its threshold chosen on these too; the check sees the summary and the document, never the
wording that the summary was edited from. `.training` alone uses that, to learn which words an edit touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import mean

import numpy as np

from benchmarks.figures import Figure
from benchmarks.grounded_training import DOMAINS, Example, auc, balanced_accuracy, evidence_of, prepared, trained
from benchmarks.shared_data import shared_data
from parley.llm.groundedness.checker import Verdict, check
from parley.llm.groundedness.evidence import Evidence

_TIMED = 200


def run() -> Iterator[Figure]:
    """`grounded.balanced_accuracy` (mean of the held-out domains) and `grounded.ms_per_claim`."""
    folder = shared_data("grounded")
    if folder is None:
        return
    examples = prepared(folder)
    accuracies, areas, misses = [], [], []
    for domain in DOMAINS:
        head = trained([example for example in examples if example.domain != domain])
        held = [example for example in examples if example.domain == domain]
        wrong = np.array([example.is_wrong for example in held])
        found = [check(item.claim, evidence_of(item.document), head=head, threshold=head.balanced) for item in held]
        accused = np.array([item.verdict != Verdict.SUPPORTED for item in found])
        accuracies.append(balanced_accuracy(wrong, accused))
        areas.append(auc(wrong, np.array([item.suspicion for item in found])))
        cautious = np.array([item.suspicion >= head.cautious for item in found])
        misses.append((float(cautious[~wrong].mean()), float(cautious[wrong].mean())))
    note = "; ".join(
        f"{domain} {accuracy:.3f} (AUROC {area:.3f})"
        for domain, accuracy, area in zip(DOMAINS, accuracies, areas, strict=True)
    )
    alarms, caught = mean(pair[0] for pair in misses), mean(pair[1] for pair in misses)
    note += f"; at the cautious threshold {alarms:.0%} false alarms, {caught:.0%} caught; GPT-4 .82, people .91"
    yield Figure("grounded.balanced_accuracy", mean(accuracies), "share", reference=0.5, note=note)
    yield _speed(examples)


def _speed(examples: list[Example]) -> Figure:
    """Each claim with its passages read anew, as for an answer of one sentence."""
    chosen = [examples[place] for place in np.random.default_rng(0).permutation(len(examples))[:_TIMED]]
    took = []
    for example in chosen:
        began = time.perf_counter()
        check(example.claim, Evidence((example.source,)))
        took.append(1000 * (time.perf_counter() - began))
    return Figure.of_runs("grounded.ms_per_claim", "ms", took, note=f"p95 {np.percentile(took, 95):.1f} ms, one core")
