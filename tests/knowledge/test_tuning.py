"""Test cases suggest a weight and a threshold; what they gain is told on questions that were not looked at."""

from __future__ import annotations

import pytest

from apps.knowledge.contracts import Figures
from apps.knowledge.retrieval.evidence import Place
from apps.knowledge.retrieval.tuning import TuningCase, tune
from parley.db import uuid7


def _case(*, right_by_words: bool, relevance: float = 0.6) -> TuningCase:
    """Document "a" answers. Words and meaning disagree about it."""
    a, b = uuid7(), uuid7()
    right, wrong = (a, b) if right_by_words else (b, a)
    places = {a: Place("a", 0), b: Place("b", 0)}
    return TuningCase({right: 9.0, wrong: 3.0}, {wrong: 0.8, right: 0.3}, places, {a: relevance}, frozenset(["a"]))


def test_the_weight_that_finds_the_documents_is_suggested() -> None:
    tuning = tune([_case(right_by_words=False) for _ in range(20)], vector_weight=0.1)
    assert tuning.vector_weight is not None
    assert tuning.vector_weight > 0.5
    assert tuning.now == Figures(1.0, 0.5)
    assert tuning.tuned == Figures(1.0, 1.0)
    assert tuning.is_better


def test_what_is_as_good_stays() -> None:
    tuning = tune([_case(right_by_words=True) for _ in range(20)], vector_weight=0.3)
    assert tuning.vector_weight == 0.3
    assert not tuning.is_better


def test_gain_by_chance_is_not_told_as_gain() -> None:
    """One fifth that wants another weight than the rest: chosen by the others, it gains nothing there."""
    cases = [_case(right_by_words=place % 5 != 0) for place in range(25)]
    tuning = tune(cases, vector_weight=0.0)
    assert tuning.vector_weight == 0.0
    assert tuning.tuned == tuning.now


def test_the_threshold_keeps_what_is_found_with_a_step_to_spare() -> None:
    cases = [_case(right_by_words=True, relevance=0.43) for _ in range(20)]
    assert tune(cases, vector_weight=None).min_relevance == pytest.approx(0.35)
    weak = [_case(right_by_words=True, relevance=0.02), *cases]
    assert tune(weak, vector_weight=None).min_relevance == 0.0
    unfound = TuningCase({}, {}, {}, {}, frozenset(["a"]))
    assert tune([unfound] * 20, vector_weight=None).min_relevance == 0.0
