"""Learns which messages a small model answers as well as a large one, and draws what that saves. Pure.

The outcomes are an organisation's own evaluations and ratings, or a public data set.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from apps.gateway.routing.difficulty import difficulty

# Fewer of either kind say more about chance than about messages.
LEAST_OF_EACH: Final = 50
_RIDGE: Final = 30.0
_STEPS: Final = 12

Numbers = npt.NDArray[np.float64]


_FORMULA = re.compile(r"[=+^*/<>\\$]")
_EXCEPTION = re.compile(r"\b(?:not|except|least|unless|incorrect|false)\b", re.IGNORECASE)
_QUANTITY = re.compile(
    r"how (?:many|much|long|far)|calculate|probability|value of|approximately|percent|\bfind\b", re.IGNORECASE
)
_STATEMENTS = re.compile(r"\b(?:statement|scenario|suppose|assume|given that|if)\b", re.IGNORECASE)
_LONG_WORDS: Final = 60

SIGNS: Final = (
    *("rough", "words", "long", "figures", "formula_signs", "has_formula", "letters_a_word"),
    *("exception", "quantity", "statements", "different_words"),
)


def signs_of(message: str) -> tuple[float, ...]:
    """The numbers in the order of `SIGNS`; each is in [0, 1] or little more."""
    words = message.split()
    count, length = max(1, len(words)), max(1, len(message))
    return (
        difficulty(message),
        math.log1p(len(words)) / 6,
        min(1.0, len(words) / _LONG_WORDS),
        min(1.0, 10 * sum(letter.isdigit() for letter in message) / length),
        min(1.0, 10 * len(_FORMULA.findall(message)) / length),
        float(_FORMULA.search(message) is not None),
        min(1.0, sum(len(word) for word in words) / count / 10),
        float(_EXCEPTION.search(message) is not None),
        float(_QUANTITY.search(message) is not None),
        min(1.0, len(_STATEMENTS.findall(message)) / 2),
        len({word.lower() for word in words}) / count,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """How probably the small model answers worse: 1 / (1 + exp(-(weights · signs + bias)))."""

    weights: Sequence[float]
    bias: float

    def __call__(self, message: str) -> float:
        """In [0, 1]; the same message always gets the same number."""
        odds = self.bias + sum(weight * sign for weight, sign in zip(self.weights, signs_of(message), strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


@dataclass(frozen=True, slots=True)
class LabelledMessage:
    """How good the answers of both models to a message were, each from 0 (wrong) to 1 (right)."""

    message: str
    small: float
    large: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Sending `large_share` of the messages, the hardest by the estimate, to the large model gives this quality.

    `recovered` is the share of the difference between both models that is won back; 0 when there is none.
    """

    threshold: float
    large_share: float
    quality: float
    recovered: float


def learn(outcomes: Sequence[LabelledMessage]) -> Estimate | None:
    """An estimate from own outcomes; None while fewer than `LEAST_OF_EACH` messages were, or were not, too hard."""
    failed = np.array([outcome.small < outcome.large or outcome.small == 0 for outcome in outcomes])
    if min(int(failed.sum()), int((~failed).sum())) < LEAST_OF_EACH:
        return None
    return fit([outcome.message for outcome in outcomes], failed)


def fit(messages: Sequence[str], failed: npt.NDArray[np.bool_]) -> Estimate:
    """The logistic model of `failed` over the signs: Newton's method, penalised by ridge/2 · |weights|²."""
    columns = np.array([(*signs_of(message), 1.0) for message in messages])
    found = np.zeros(len(SIGNS) + 1)
    penalty = np.full(len(found), _RIDGE)
    penalty[-1] = 1e-3
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        slope = columns.T @ (chance - failed) + penalty * found
        curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(penalty)
        found -= np.linalg.solve(curvature, slope)
    return Estimate(tuple(round(float(weight), 4) for weight in found[:-1]), round(float(found[-1]), 4))


def quality_against_cost(difficulties: Sequence[float], outcomes: Sequence[LabelledMessage]) -> list[CurvePoint]:
    """The curve a page draws: one point per message, from everything small to everything large.

    Messages of the same difficulty move together, because one threshold cannot part them.
    """
    if not outcomes:
        return []
    order = np.argsort(-np.asarray(difficulties), kind="stable")
    small = np.array([outcome.small for outcome in outcomes])
    gains = (np.array([outcome.large for outcome in outcomes]) - small)[order]
    quality = small.mean() + np.concatenate([[0.0], np.cumsum(gains)]) / len(outcomes)
    sorted_down = np.asarray(difficulties)[order]
    whole = float(quality[-1] - quality[0])
    points = [CurvePoint(float("inf"), 0.0, float(quality[0]), 0.0)]
    for sent in range(1, len(outcomes) + 1):
        if sent < len(outcomes) and sorted_down[sent] == sorted_down[sent - 1]:
            continue
        recovered = float(quality[sent] - quality[0]) / whole if whole else 0.0
        points.append(CurvePoint(float(sorted_down[sent - 1]), sent / len(outcomes), float(quality[sent]), recovered))
    return points


def share_to_recover(points: Sequence[CurvePoint], recovered: float) -> float:
    """CPT: the smallest share of calls to the large model that wins back so much of the difference (RouteLLM, 2024)."""
    return next((point.large_share for point in points if point.recovered >= recovered), 1.0)


def average_recovered(points: Sequence[CurvePoint]) -> float:
    """APGR: the area under the curve of recovered difference over the share of calls; 0.5 for guessing."""
    shares = np.array([point.large_share for point in points])
    won = np.array([point.recovered for point in points])
    return float(np.sum((shares[1:] - shares[:-1]) * (won[1:] + won[:-1]) / 2))
