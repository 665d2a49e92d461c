"""F-16: an answer that broke off is continued without a repeated or a lost word. No database, no network."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from apps.gateway.routing.seam import Seam, anchor_of, continuation_prompt
from parley.llm import ChatMessage

ANSWER = (
    "The **Team plan** includes fifteen seats and costs 40 dollars a month [1]. You can add seats at any time.\n\n"
    "To add one:\n\n1. Open *Settings*, then `Members`.\n2. Press “Invite” and enter an address.\n\n"
    "The seat is billed from that day on [2]. It is not refunded."
)


def joined(shown: str, continuation: str, pieces: Sequence[int] = ()) -> str:
    """What a reader sees in the end, with the continuation streamed in pieces of these lengths."""
    seam = Seam(shown)
    said = shown
    at = 0
    for length in pieces:
        said += seam.feed(continuation[at : at + length])
        at += length
    said += seam.feed(continuation[at:])
    return said + seam.finish()


def letter_by_letter(shown: str, continuation: str) -> str:
    return joined(shown, continuation, [1] * len(continuation))


CUTS = st.integers(1, len(ANSWER) - 1)


@settings(max_examples=40, deadline=None)
@given(cut=CUTS, pieces=st.lists(st.integers(1, 9), max_size=60))
@example(cut=33, pieces=[])
@example(cut=ANSWER.index("teen seats"), pieces=[1, 1, 1])
def test_a_model_that_begins_with_the_anchor_joins_to_the_letter(cut: int, pieces: list[int]) -> None:
    """F-16: wherever the answer broke, also in a word, in white space or in a mark of Markdown."""
    shown = ANSWER[:cut]
    # What was asked for: the last words, as whole words of the true answer.
    anchor = anchor_of(shown)
    begins = shown.rstrip().rindex(anchor)
    assert joined(shown, ANSWER[begins:], pieces) == ANSWER


@settings(max_examples=40, deadline=None)
@given(cut=CUTS, pieces=st.lists(st.integers(1, 9), max_size=60))
def test_a_model_that_starts_again_from_the_beginning_repeats_nothing(cut: int, pieces: list[int]) -> None:
    """F-16."""
    assert joined(ANSWER[:cut], ANSWER, pieces) == ANSWER


@settings(max_examples=40, deadline=None)
@given(cut=CUTS, words=st.integers(4, 30), pieces=st.lists(st.integers(1, 9), max_size=60))
def test_a_model_that_quotes_some_of_the_last_words_repeats_nothing(cut: int, words: int, pieces: list[int]) -> None:
    """F-16: the last sentence, or any number of words before the break."""
    shown = ANSWER[:cut]
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", shown)]
    assume(len(starts) > words)
    begins = starts[-words]
    assume(len(re.findall(r"\w+", shown[begins:])) >= 4)
    assert joined(shown, ANSWER[begins:], pieces) == ANSWER


@settings(max_examples=40, deadline=None)
@given(cut=CUTS)
def test_a_server_that_goes_on_at_the_very_letter_loses_nothing(cut: int) -> None:
    """F-16: at a break between words, with its white space or without."""
    shown, rest = ANSWER[:cut], ANSWER[cut:]
    assume(shown[-1:].isspace() or rest[:1].isspace())
    assume(rest.lstrip()[:1] not in "*`“")
    assert joined(shown, rest) == ANSWER


VOCABULARY = ("the", "seat", "plan", "is", "not", "a", "red", "15", "of", "team", "ends", "here")
WORDS = st.lists(st.sampled_from(VOCABULARY), min_size=6, max_size=60)


@settings(max_examples=40, deadline=None)
@given(words=WORDS, cut=st.integers(2, 400), back=st.integers(3, 20))
def test_no_word_of_any_text_is_lost_or_said_twice(words: list[str], cut: int, back: int) -> None:
    """F-16: texts full of equal words, where a join could be found in many places."""
    text = " ".join(words)
    shown = text[: min(cut, len(text) - 1)]
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", shown)]
    begins = starts[-back] if len(starts) >= back else 0
    tail = text[begins:]
    # A text that repeats itself right there has two true joins; nobody could tell them apart.
    repeated = shown[begins:].rstrip()
    assume(all(not tail.startswith(shown[start:].rstrip()) for start in starts if start < begins))
    assume(repeated)
    assert letter_by_letter(shown, tail) == joined(shown, tail) == text


@pytest.mark.parametrize(
    ("shown", "continuation", "whole"),
    [
        # Quotation marks and dots around what is repeated.
        ("It costs 40 dollars a", "“…costs 40 dollars a month.", "It costs 40 dollars a month."),
        ("It costs 40 dollars a", "...costs 40 dollars a month.", "It costs 40 dollars a month."),
        # Without the marks that the first model wrote.
        ("The **Team plan** has fif", "The Team plan has fifteen seats.", "The **Team plan** has fifteen seats."),
        # A remark before the rest.
        (
            "It costs 40 dollars a",
            "Sure, here is the rest:\n\ncosts 40 dollars a month.",
            "It costs 40 dollars a month.",
        ),
        ("It costs 40", "Here is the rest of it:\ndollars a month.", "It costs 40 dollars a month."),
        # No repetition at all: a new word.
        ("The plan has fifteen", "seats and a bell.", "The plan has fifteen seats and a bell."),
        ("The plan has fifteen seats", ", and a bell.", "The plan has fifteen seats, and a bell."),
        ("The plan has fifteen seats.", "\n\nIt rings.", "The plan has fifteen seats.\n\nIt rings."),
        ("Seats (", "fifteen)", "Seats (fifteen)"),
        ("Seats:\n\n- one", "\n- two", "Seats:\n\n- one\n- two"),
        # One word said again.
        ("The plan has fifteen", "fifteen seats.", "The plan has fifteen seats."),
        # White space of both sides is kept once.
        ("One. Two. Three.\n", "One. Two. Three.\n\nFour.", "One. Two. Three.\n\nFour."),
        ("One. Two. Three. ", "Two. Three. Four.", "One. Two. Three. Four."),
        # The answer was complete already.
        ("It has fifteen seats.", "It has fifteen seats.", "It has fifteen seats."),
        ("It has fifteen seats and", "fifteen seats", "It has fifteen seats and fifteen seats"),
        # Nothing more.
        ("It has fifteen seats.", "", "It has fifteen seats."),
        # Another answer from the start: nothing is lost, and it stands apart.
        (
            "The Team plan includes a bell and",
            "The Team plan includes fifteen seats.",
            "The Team plan includes a bell and\n\nThe Team plan includes fifteen seats.",
        ),
    ],
)
def test_joins(shown: str, continuation: str, whole: str) -> None:
    """F-16: cases that models produce."""
    assert joined(shown, continuation) == whole
    assert letter_by_letter(shown, continuation) == whole


def test_the_anchor_is_the_last_words_as_they_stand() -> None:
    assert anchor_of("One two three four five six seven eight nine ten") == "three four five six seven eight nine ten"
    assert anchor_of("Fif") == "Fif"


def test_the_prompt_shows_the_answer_so_far_and_asks_for_the_rest() -> None:
    messages = continuation_prompt((ChatMessage("user", "How many?"),), "The plan has fif")
    assert [message.role for message in messages] == ["user", "assistant", "user"]
    assert messages[1].content == "The plan has fif"
    assert "The plan has fif" in messages[2].content


def test_once_joined_the_rest_passes_as_it_comes() -> None:
    """First words are not held back longer than the join takes."""
    seam = Seam("The plan has fif")
    assert [seam.feed(piece) for piece in ("The plan ", "has fifteen", " seats")] == ["", "teen", " seats"]
