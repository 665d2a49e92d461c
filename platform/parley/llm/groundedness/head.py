"""The learned part: three small linear models over the features of a word, read from `head.json`.

`novel` says how probably a word was not in the wording that the passages support, `wrong_if_novel` how probably such
a word makes the sentence false, `wrong` guesses the latter of any word. `benchmarks/grounded_training.py` makes the
file again; the data is SummEdits (Laban et al., EMNLP 2023, Apache-2.0), of which only these numbers are left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from parley.llm.groundedness.features import NAMES, Rows

FILE = Path(__file__).with_name("head.json")
_SECOND_WORST = 0.3
_FAR = 30.0


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic model: probability = 1 / (1 + exp(-(weights · row + bias)))."""

    weights: Rows
    bias: float

    def __call__(self, rows: Rows) -> Rows:
        """One probability per row."""
        odds: Rows = 1 / (1 + np.exp(-np.clip(rows @ self.weights + self.bias, -_FAR, _FAR)))
        return odds

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(np.asarray(data["weights"], dtype=np.float64), float(data["bias"]))

    def as_dict(self) -> dict[str, Any]:
        return {"weights": [round(float(weight), 5) for weight in self.weights], "bias": round(self.bias, 5)}


@dataclass(frozen=True, slots=True)
class Head:
    """`balanced` is the suspicion that parts both kinds best, `cautious` the one that accuses few true sentences."""

    novel: Linear
    wrong_if_novel: Linear
    wrong: Linear
    balanced: float
    cautious: float

    def word_suspicions(self, rows: Rows) -> Rows:
        """How much each word speaks against the sentence, in [0, 1]."""
        suspicion: Rows = self.novel(rows) * self.wrong_if_novel(rows) * np.sqrt(self.wrong(rows))
        return suspicion

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        if tuple(data["features"]) != NAMES:
            raise ValueError("The head was trained on other features. Train it again.")
        parts = {name: Linear.from_dict(data[name]) for name in ("novel", "wrong_if_novel", "wrong")}
        return cls(**parts, balanced=data["balanced"], cautious=data["cautious"])


def suspicion_of(words: npt.NDArray[np.float64]) -> float:
    """A sentence's suspicion from its words': the worst counts, and a little the second worst. In [0, 1.3]."""
    if not len(words):
        return 0.0
    worst = np.sort(words)[-2:]
    return float(worst[-1] + (_SECOND_WORST * worst[0] if len(worst) > 1 else 0.0))


@lru_cache(maxsize=1)
def shipped_head() -> Head:
    """The head that comes with the product."""
    return Head.from_dict(json.loads(FILE.read_text(encoding="utf-8")))
