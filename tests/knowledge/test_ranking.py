"""How two lists become one order: pure arithmetic, so that each rule can be seen alone."""

from __future__ import annotations

import numpy as np
import pytest

from apps.knowledge.contracts import RetrievalSettings
from apps.knowledge.retrieval.evidence import Place, with_evidence
from apps.knowledge.retrieval.fusion import automatic_vector_weight, fuse
from apps.knowledge.retrieval.relevance import question_stems, relevance
from apps.knowledge.retrieval.settings import combined
from apps.knowledge.retrieval.variety import spread, without_repeats

SENTENCE = (
    "Customers get their money back within fourteen days of the purchase if the seal is not broken, vouchers excepted."
)


def test_fusion_prefers_what_both_lists_hold() -> None:
    assert list(fuse({"a": 4.0, "b": 3.9}, {"b": 0.8, "c": 0.81}, vector_weight=0.5)) == ["b", "a", "c"]


def test_leading_both_lists_is_one() -> None:
    assert fuse({"a": 7.0, "b": 1.0}, {"a": 0.4}, vector_weight=0.3)["a"] == pytest.approx(1.0)


def test_a_clear_lead_counts_for_more_than_its_rank() -> None:
    """What reciprocal ranks throw away: the first by words is far ahead, the first by meaning is not."""
    words, similarities = {"a": 10.0, "b": 2.0}, {"b": 0.61, "a": 0.60}
    assert next(iter(fuse(words, similarities, vector_weight=0.5))) == "a"


def test_the_weight_moves_the_order() -> None:
    words, similarities = {"a": 10.0, "b": 5.0}, {"b": 0.8, "a": 0.4}
    assert next(iter(fuse(words, similarities, vector_weight=0.2))) == "a"
    assert next(iter(fuse(words, similarities, vector_weight=0.8))) == "b"


@pytest.mark.parametrize("weight", [0.0, 0.45, 1.0])
def test_one_list_alone_decides(weight: float) -> None:
    assert fuse({"a": 2.0, "b": 1.0}, {}, vector_weight=weight) == {"a": 1.0, "b": 0.5}
    assert fuse({}, {"a": 0.5, "b": -0.1}, vector_weight=weight) == {"a": 1.0, "b": 0.0}
    assert fuse({}, {}, vector_weight=weight) == {}


def test_a_passage_gains_from_its_document_and_its_neighbours() -> None:
    scores = {"hit": 1.0, "beside": 0.4, "far": 0.4, "elsewhere": 0.4}
    places = {"hit": Place("d", 3), "beside": Place("d", 4), "far": Place("d", 9), "elsewhere": Place("e", 0)}
    assert list(with_evidence(scores, places)) == ["hit", "beside", "far", "elsewhere"]
    assert max(with_evidence(scores, places).values()) <= 1.0


def test_a_passage_without_a_place_is_gone() -> None:
    """L-20: deleted between the two reads."""
    assert with_evidence({"a": 1.0, "b": 0.5}, {"b": Place("d", 0)}).keys() == {"b"}


def test_repeats_are_left_out_and_the_next_moves_up() -> None:
    texts = {"a": SENTENCE, "b": SENTENCE.replace("fourteen", "FOURTEEN") + " Ask us.", "c": "Something else entirely."}
    assert without_repeats(["a", "b", "c"], texts.__getitem__, limit=2) == ["a", "c"]


def test_a_changed_number_in_a_short_text_is_not_a_repeat() -> None:
    texts = {"a": "Plan A costs 10 euros a month.", "b": "Plan B costs 20 euros a month."}
    assert without_repeats(["a", "b"], texts.__getitem__, limit=2) == ["a", "b"]


def test_diversity_prefers_another_subject() -> None:
    vectors = {"a": np.array([1.0, 0.0]), "b": np.array([0.99, 0.14]), "c": np.array([0.0, 1.0])}
    scores = {"a": 1.0, "b": 0.95, "c": 0.6}
    assert spread(scores, vectors, diversity=0.0) == ["a", "b", "c"]
    assert spread(scores, vectors, diversity=0.5) == ["a", "c", "b"]


def test_meaning_counts_less_the_farther_its_nearest_passage_is() -> None:
    near, far = automatic_vector_weight({"a": 0.8}), automatic_vector_weight({"a": 0.2, "b": 0.1})
    assert 0.0 < far < near < 1.0
    assert automatic_vector_weight({"a": -0.2}) == automatic_vector_weight({}) == 0.0


def test_relevance_compares_across_questions() -> None:
    """Unlike the fused score, which is 1.0 for the best of nothing."""
    asked = question_stems("How long do refunds of a purchase take?")
    assert relevance(asked, "A refund of your purchase takes long.", 0.8) > 0.7
    assert relevance(asked, "The zebra eats grass.", 0.05) < 0.1
    assert relevance(asked, "Refunds take long for a purchase.", None) == 1.0
    assert relevance(question_stems("?!"), "anything", 0.4) == pytest.approx(0.4)


def test_several_bases_share_settings() -> None:
    one = RetrievalSettings(vector_weight=0.2, candidate_count=20, min_relevance=0.3, removes_repeats=False)
    other = RetrievalSettings(vector_weight=0.6, candidate_count=80, min_relevance=0.1)
    assert combined([one]) is one
    assert combined([one, other]) == RetrievalSettings(
        vector_weight=pytest.approx(0.4), candidate_count=80, min_relevance=0.1
    )
    assert combined([one, RetrievalSettings()]).vector_weight is None
