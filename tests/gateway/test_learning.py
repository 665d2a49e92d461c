"""Which messages a small model answers as well, learned from outcomes, and the curve that a page draws."""

from itertools import pairwise

import pytest

from apps.gateway.routing.learning import (
    LEAST_OF_EACH,
    LabelledMessage,
    average_recovered,
    learn,
    quality_against_cost,
    share_to_recover,
)

_EASY = LabelledMessage("Where do I find my invoice?", small=1, large=1)
_HARD = LabelledMessage(
    "If 3 of 17 seats lapse after 45 days, what is the pro rata credit? (x = 17 - 3)", small=0, large=1
)


def test_a_curve_runs_from_everything_small_to_everything_large() -> None:
    outcomes = [_EASY, _HARD, _EASY, _HARD]
    points = quality_against_cost([0.1, 0.9, 0.2, 0.8], outcomes)
    assert [(point.large_share, point.quality) for point in points] == [
        (0.0, 0.5),
        (0.25, 0.75),
        (0.5, 1.0),
        (0.75, 1.0),
        (1.0, 1.0),
    ]
    assert share_to_recover(points, 0.5) == 0.25
    assert share_to_recover(points, 0.8) == 0.5
    assert average_recovered(points) == pytest.approx(0.75)


def test_messages_of_one_difficulty_move_together() -> None:
    points = quality_against_cost([0.5, 0.5, 0.5], [_EASY, _HARD, _EASY])
    assert [point.large_share for point in points] == [0.0, 1.0]
    assert average_recovered(points) == pytest.approx(0.5)


def test_without_outcomes_or_difference_there_is_nothing_to_win_back() -> None:
    assert quality_against_cost([], []) == []
    assert all(point.recovered == 0 for point in quality_against_cost([0.1, 0.2], [_EASY, _EASY]))


def test_own_outcomes_are_learned_once_there_are_enough() -> None:
    few = [_EASY, _HARD] * (LEAST_OF_EACH - 1)
    assert learn(few) is None
    estimate = learn([_EASY, _HARD] * LEAST_OF_EACH)
    assert estimate is not None
    assert 0 <= estimate(_EASY.message) < 0.5 < estimate(_HARD.message) <= 1


def test_thresholds_fall_along_the_curve() -> None:
    points = quality_against_cost([0.3, 0.9, 0.6], [_EASY, _HARD, _EASY])
    assert all(before.threshold > after.threshold for before, after in pairwise(points))
