"""Trains the groundedness check's head: `python -m benchmarks.grounded_training` writes the file that is shipped.

Each row of SummEdits knows the wording it was edited from, so training may see which words are new and whether they
made the summary wrong. Rows of one document weigh as much together as their square root, domains weigh the same.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.shared_data import shared_data
from parley.llm import GroundingSource
from parley.llm.groundedness.evidence import Evidence, words_of
from parley.llm.groundedness.features import NAMES, word_features
from parley.llm.groundedness.head import FILE, Head, Linear, suspicion_of

DOMAINS = ("ectsum", "sales_call", "samsum", "scitldr")
_RIDGE = 100.0
_UNCHANGED_WEIGHT = 0.08
_FALSE_ALARMS = 0.1
_STEPS = 8

Rows = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Example:
    """One summary: the rows of its words, which of them an edit touched, and whether the summary is wrong."""

    domain: str
    document: str
    claim: str
    is_wrong: bool
    rows: Rows
    changed: Flags

    @property
    def source(self) -> GroundingSource:
        return GroundingSource(number=1, title="", text=self.document)


@lru_cache(maxsize=256)
def evidence_of(document: str) -> Evidence:
    """A document as the only passage."""
    return Evidence((GroundingSource(number=1, title="", text=document),))


def prepared(folder: Path) -> list[Example]:
    """All examples of the data's folder."""
    made = []
    for domain in DOMAINS:
        for row in json.loads((folder / f"summedits_{domain}.json").read_text(encoding="utf-8")):
            document, claim = row["doc"].replace(" . ", "\n"), row["summary"].strip()
            words, rows = word_features(claim, evidence_of(document))
            changed = _changed(words_of(row["original_summary"]), words)
            made.append(Example(domain, document, claim, row["label"] == "0" or row["label"] == 0, rows, changed))
    return made


def _changed(before: list[str], after: list[str]) -> Flags:
    changed = np.zeros(len(after), dtype=np.bool_)
    low = [word.lower() for word in before], [word.lower() for word in after]
    for kind, _, _, start, end in difflib.SequenceMatcher(None, *low, autojunk=False).get_opcodes():
        if kind == "delete":
            changed[max(0, start - 1) : start + 1] = True
        elif kind != "equal":
            changed[start:end] = True
    return changed


def trained(examples: Sequence[Example]) -> Head:
    """A head with thresholds found on domains that were left out in turn, among those of `examples`."""
    suspicions = np.zeros(len(examples))
    domains = np.array([example.domain for example in examples])
    wrong = np.array([example.is_wrong for example in examples])
    for domain in sorted(set(domains)):
        head = _fit([example for example in examples if example.domain != domain], 0.0, 0.0)
        for place in map(int, np.flatnonzero(domains == domain)):
            suspicions[place] = suspicion_of(head.word_suspicions(examples[place].rows))
    return _fit(
        examples, _balanced(suspicions, wrong, domains), float(np.quantile(suspicions[~wrong], 1 - _FALSE_ALARMS))
    )


def _balanced(suspicions: Rows, wrong: Flags, domains: npt.NDArray[np.str_]) -> float:
    """The threshold with the best mean balanced accuracy, of a smoothed curve: single rows must not decide."""
    tried = np.quantile(suspicions, np.linspace(0.1, 0.9, 81))
    curve = [
        np.mean([balanced_accuracy(wrong[domains == one], suspicions[domains == one] >= at) for one in set(domains)])
        for at in tried
    ]
    smooth = np.convolve(np.pad(curve, 4, "edge"), np.ones(9) / 9, "valid")
    return float(tried[int(np.argmax(smooth))])


def _fit(examples: Sequence[Example], balanced: float, cautious: float) -> Head:
    rows = np.concatenate([example.rows for example in examples])
    changed = np.concatenate([example.changed for example in examples])
    wrong = np.concatenate([example.changed & example.is_wrong for example in examples])
    documents = Counter(example.document for example in examples)
    domains = Counter(example.domain for example in examples)
    weights = np.concatenate(
        [
            np.full(len(example.rows), documents[example.document] ** -0.5 / domains[example.domain])
            for example in examples
        ]
    )
    weights *= len(weights) / weights.sum()
    return Head(
        novel=fit_logistic(rows, changed, weights, _RIDGE),
        wrong_if_novel=fit_logistic(rows[changed], wrong[changed], weights[changed], _RIDGE),
        wrong=fit_logistic(rows, wrong, weights * np.where(changed, 1.0, _UNCHANGED_WEIGHT), _RIDGE),
        balanced=balanced,
        cautious=cautious,
    )


def fit_logistic(rows: Rows, labels: Flags, weights: Rows, ridge: float) -> Linear:
    """Logistic regression by Newton's method on standardised columns, penalised by ridge/2 · |weights|²."""
    centre = np.average(rows, axis=0, weights=weights)
    spread = np.sqrt(np.average((rows - centre) ** 2, axis=0, weights=weights)) + 1e-6
    columns = np.hstack([(rows - centre) / spread, np.ones((len(rows), 1))])
    penalty = np.full(columns.shape[1], ridge)
    penalty[-1] = 1e-6
    found = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        slope = columns.T @ (weights * (chance - labels)) + penalty * found
        curvature = (columns * (weights * chance * (1 - chance))[:, None]).T @ columns + np.diag(penalty)
        found -= np.linalg.solve(curvature, slope)
    own = found[:-1] / spread
    return Linear(own, float(found[-1] - own @ centre))


def balanced_accuracy(wrong: Flags, accused: Flags) -> float:
    """Mean of the shares of wrong rows accused and of right rows not accused."""
    return float((accused[wrong].mean() + (~accused[~wrong]).mean()) / 2)


def auc(wrong: Flags, suspicions: Rows) -> float:
    """The chance that a wrong row is more suspicious than a right one; ties count half."""
    _, ranks, counts = np.unique(suspicions, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[ranks]
    bad = int(wrong.sum())
    return float((middle[wrong].sum() - bad * (bad + 1) / 2) / (bad * (len(wrong) - bad)))


def main() -> int:
    """Write the shipped head from all the data."""
    folder = shared_data("grounded")
    if folder is None:
        return 1
    head = trained(prepared(folder))
    content = {
        "features": list(NAMES),
        "novel": head.novel.as_dict(),
        "wrong_if_novel": head.wrong_if_novel.as_dict(),
        "wrong": head.wrong.as_dict(),
        "balanced": round(head.balanced, 5),
        "cautious": round(head.cautious, 5),
    }
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"Wrote {FILE}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
