"""Search queries of follow-up questions, and small talk."""

import pytest

from apps.assistants.contracts import Turn
from apps.assistants.runtime.follow_up import search_query
from apps.assistants.runtime.small_talk import small_talk_reply
from tests.assistants.factories import make_spec

HISTORY = [Turn("user", "How do I embed the widget?"), Turn("assistant", "With one line of HTML [1].")]


@pytest.mark.parametrize("question", ["And on a phone?", "What does it cost?", "Why?", "What about subdomains?"])
def test_a_question_that_leans_back_is_searched_with_the_one_before(question: str) -> None:
    assert search_query(question, HISTORY) == f"How do I embed the widget?\n{question}"


@pytest.mark.parametrize(
    "question",
    ["When does the monthly budget start over?", "Which file formats can I upload to a knowledge base?"],
)
def test_a_question_that_stands_alone_is_searched_alone(question: str) -> None:
    assert search_query(question, HISTORY) == question


def test_the_first_question_has_nothing_to_lean_on() -> None:
    assert search_query("And it?", []) == "And it?"
    assert len(search_query("word " * 2_000, [])) <= 2_000
    assert len(search_query("it " * 2_000, HISTORY)) <= 2_000


@pytest.mark.parametrize("said", ["Hi", "hello there!", "Good morning", "Hey, how are you?", "Guten Tag"])
def test_a_greeting_is_answered_with_the_opening_message(said: str) -> None:
    assert small_talk_reply(said, make_spec(opening_message="Ask me about Parley.")) == "Ask me about Parley."
    assert "Guide" in (small_talk_reply(said, make_spec()) or "")


@pytest.mark.parametrize("said", ["Thanks!", "thank you so much", "ok, thanks", "Great", "Vielen Dank"])
def test_thanks_get_a_polite_answer(said: str) -> None:
    assert "welcome" in (small_talk_reply(said, make_spec()) or "")


@pytest.mark.parametrize(
    "said",
    [
        "Hello, how do I embed the widget?",
        "Thanks, and how big can a PDF be?",
        "What is a greeting?",
        "",
        "1234",
        "help",
    ],
)
def test_questions_are_not_small_talk(said: str) -> None:
    assert small_talk_reply(said, make_spec()) is None
