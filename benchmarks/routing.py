"""Small model first: what routing by difficulty wins back, on subjects that were held out from training.

RouteLLM's results of Mixtral and GPT-4 on 29 subjects of MMLU. What is shipped was written without this data, so that
every subject is unseen. Beside it stand estimates learned as from a tenant's own outcomes: the subjects are dealt into
five groups, each is judged by what was trained on the other four, and all scores make one curve.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from zlib import crc32

import numpy as np

from apps.gateway.routing.difficulty import difficulty
from apps.gateway.routing.learning import (
    CurvePoint,
    LabelledMessage,
    Numbers,
    average_recovered,
    fit,
    quality_against_cost,
    share_to_recover,
)
from benchmarks.figures import Figure
from benchmarks.grounded_training import fit_logistic
from benchmarks.shared_data import shared_data

_GROUPS = 5
_TIMED = 2_000
# All of MMLU, whose subjects its router had seen: RouteLLM's best, Ong et al. 2024.
_PUBLISHED = {"cpt50": 0.35, "cpt80": 0.70, "apgr": 0.60}
_BUCKETS = 4_096


def run() -> Iterator[Figure]:
    """`routing.mmlu.cpt50`, `.cpt80`, `.apgr` and what a decision takes."""
    folder = shared_data("routing")
    if folder is None:
        return
    subjects, outcomes = read(folder)
    groups = np.random.default_rng(0).permutation(len(set(subjects)))
    numbers = {subject: int(groups[place]) % _GROUPS for place, subject in enumerate(sorted(set(subjects)))}
    group = np.array([numbers[subject] for subject in subjects])
    failed = np.array([outcome.small < 1 for outcome in outcomes])
    messages = [outcome.message for outcome in outcomes]
    learned, linear = np.zeros(len(outcomes)), np.zeros(len(outcomes))
    bags = _bags(messages)
    for number in range(_GROUPS):
        held = group == number
        estimate = fit([messages[place] for place in np.flatnonzero(~held)], failed[~held])
        learned[held] = [estimate(messages[place]) for place in np.flatnonzero(held)]
        baseline = fit_logistic(bags[~held], failed[~held], np.ones(int((~held).sum())), 300.0)
        linear[held] = baseline(bags[held])
    gains: dict[str, list[float]] = {}
    for subject, outcome in zip(subjects, outcomes, strict=True):
        gains.setdefault(subject, []).append(outcome.large - outcome.small)
    known = {subject: mean(found) for subject, found in gains.items()}
    curves = {
        "shipped": quality_against_cost([difficulty(message) for message in messages], outcomes),
        "learned": quality_against_cost(learned.tolist(), outcomes),
        "words": quality_against_cost(linear.tolist(), outcomes),
        "subjects": quality_against_cost([known[subject] for subject in subjects], outcomes),
    }
    for name in _PUBLISHED:
        found = {kind: _measured(name, points) for kind, points in curves.items()}
        note = (
            f"unseen subjects: learned from the other subjects {found['learned']:.3f}, hashed TF-IDF + logistic "
            f"regression {found['words']:.3f}; who knows each subject's mean difference (no router can) "
            f"{found['subjects']:.3f}; RouteLLM's best with subjects seen {_PUBLISHED[name]}"
        )
        yield Figure(f"routing.mmlu.{name}", found["shipped"], "share", reference=found["words"], note=note)
    began = time.perf_counter()
    for message in messages[:_TIMED]:
        difficulty(message)
    yield Figure(
        "routing.decision_ms", 1000 * (time.perf_counter() - began) / _TIMED, "ms", note="no embedding is needed"
    )


def _measured(name: str, points: Sequence[CurvePoint]) -> float:
    return average_recovered(points) if name == "apgr" else share_to_recover(points, int(name[3:]) / 100)


def read(folder: Path) -> tuple[list[str], list[LabelledMessage]]:
    """Subject and outcome of each question."""
    subjects, outcomes = [], []
    for path in sorted((folder / "mmlu").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for prompt, small, large in list(csv.reader(file))[1:]:
                subjects.append(path.stem)
                message = prompt.removesuffix("Answer:").strip()
                outcomes.append(LabelledMessage(message, float(small == "True"), float(large == "True")))
    return subjects, outcomes


def _bags(messages: list[str]) -> Numbers:
    """TF-IDF of words hashed into buckets, rows of length one, reduced to the 256 buckets that vary most."""
    counts = np.zeros((len(messages), _BUCKETS), dtype=np.float64)
    for row, message in enumerate(messages):
        for word in message.lower().split():
            counts[row, crc32(word.encode()) % _BUCKETS] += 1
    rarity = np.log((1 + len(messages)) / (1 + (counts > 0).sum(axis=0)))
    weighted = np.log1p(counts) * rarity
    weighted /= np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-9)
    chosen = np.argsort(-weighted.var(axis=0))[:256]
    reduced: Numbers = weighted[:, chosen]
    return reduced
