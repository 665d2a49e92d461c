"""Whether passages support a sentence (F-66): what no reader may be told must be found, what they say must not."""

import pytest

from parley.llm import GroundingSource
from parley.llm.groundedness import Evidence, Verdict, check, is_claim
from parley.llm.groundedness.head import Head, shipped_head
from parley.llm.groundedness.opposites import opposites_of

_SHOP = (
    "Refunds are possible within 30 days of purchase. Opened software cannot be returned. Shipping costs are paid by "
    "the customer, except when the item arrived damaged. The warranty was raised from one to two years in 2023."
)
_SUPPORT = (
    "Maria leads the support team in Lisbon. Tickets are answered within four hours on working days. The premium plan "
    "includes telephone support and costs 49 euros a month."
)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(
        [GroundingSource(number=n, title="", text=text) for n, text in enumerate((_SHOP, _SUPPORT), start=1)]
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "Opened software cannot be returned. [1]",
        "You can get a refund within 30 days of purchase.",
        "Tickets get a reply within four hours on working days.",
        "The support team in Lisbon is led by Maria [2].",
        "The premium plan includes telephone support.",
    ],
)
def test_what_the_passages_say_is_supported(evidence: Evidence, sentence: str) -> None:
    assert check(sentence, evidence).verdict == Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("You can get a refund within 60 days of purchase.", "60"),
        ("The warranty was lowered from two to one years in 2023.", "lowered"),
        ("Opened software can be returned.", "returned"),
        ("Tickets are never answered on working days.", "never"),
        ("The premium plan excludes telephone support.", "excludes"),
    ],
)
def test_the_opposite_of_the_passages_is_contradicted_at_its_word(evidence: Evidence, sentence: str, word: str) -> None:
    found = check(sentence, evidence)
    assert (found.verdict, found.word) == (Verdict.CONTRADICTED, word)


@pytest.mark.parametrize(
    "sentence",
    ["The company was founded by two brothers from Berlin.", "Peter leads the support team in Madrid."],
)
def test_what_the_passages_do_not_say_is_unsupported(evidence: Evidence, sentence: str) -> None:
    assert check(sentence, evidence).verdict == Verdict.UNSUPPORTED


def test_without_passages_nothing_is_supported() -> None:
    assert check("Refunds take a week.", Evidence([])).verdict == Verdict.UNSUPPORTED


def test_a_lower_threshold_accuses_more(evidence: Evidence) -> None:
    sentence = "Tickets get a reply within four hours on working days."
    assert check(sentence, evidence, threshold=0.01).verdict != Verdict.SUPPORTED


def test_questions_and_greetings_are_no_claims() -> None:
    assert not is_claim("Would you like to know more about refunds?")
    assert not is_claim("Hello!")
    assert is_claim("Refunds take a week. [1]")


def test_opposites_go_both_ways_and_through_inflections() -> None:
    assert "decrease" in opposites_of("increased")
    assert "increase" in opposites_of("decreases")
    assert "stable" in opposites_of("unstable")


def test_a_head_of_other_features_is_refused() -> None:
    head = shipped_head()
    data = {
        "features": ["length"],
        "novel": head.novel.as_dict(),
        "wrong_if_novel": head.wrong_if_novel.as_dict(),
        "wrong": head.wrong.as_dict(),
        "balanced": 0.2,
        "cautious": 0.7,
    }
    with pytest.raises(ValueError, match="Train it again"):
        Head.from_dict(data)
