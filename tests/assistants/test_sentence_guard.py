"""The sentences of a streaming answer, cut and checked (F-66)."""

import pytest

from apps.assistants.contracts import SentenceChecked
from apps.assistants.runtime.sentence_guard import SentenceGuard
from tests.assistants.factories import make_source

_SOURCES = [
    make_source(number=1, text="The Team plan includes 15 seats. Further seats cost 4 dollars a month each."),
    make_source(number=2, text="Refunds are paid within 30 days of the purchase."),
]
_ANSWER = (
    "The Team plan includes 15 seats. [1] Refunds are paid within 90 days of the purchase [2].\n\n"
    "```\nseats = 99\n```\n\nIs there anything else, e.g. about seats?"
)


def _read(text: str, *, step: int) -> list[tuple[str, SentenceChecked | None]]:
    guard = SentenceGuard(_SOURCES)
    judged = []
    for start in range(0, len(text), step):
        guard.take(text[start : start + step])
        judged += guard.judge()
    return judged + guard.judge(is_last=True)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_how_the_stream_is_cut_changes_nothing_and_no_character_is_lost(step: int) -> None:
    judged = _read(_ANSWER, step=step)
    assert "".join(text for text, _ in judged) == _ANSWER
    found = [(check.verdict, check.markers) for _, check in judged if check]
    assert found == [("supported", (1,)), ("contradicted", (2,))]


def test_a_sentence_is_held_against_the_passage_it_names() -> None:
    named = _read("Refunds are paid within 30 days of the purchase [1].", step=1000)
    unnamed = _read("Refunds are paid within 30 days of the purchase.", step=1000)
    assert [check.verdict for _, check in named if check] != ["supported"]
    assert [check.verdict for _, check in unnamed if check] == ["supported"]


def test_a_marker_after_the_full_stop_belongs_to_its_sentence() -> None:
    guard = SentenceGuard(_SOURCES)
    guard.take("The Team plan includes 15 seats. ")
    assert not guard.has_sentence
    guard.take("[1] Refunds")
    assert guard.has_sentence
