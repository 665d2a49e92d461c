"""What the small model reads, and what of its answer is believed."""

import pytest

from parley.llm import Grounding, GroundingSource
from parley.llm.honesty import HonestAnswer, keep_honest
from parley.llm.small_model import MAX_OUTPUT_TOKENS, compose_small_prompt, select_sentences
from parley.llm.support import attribute
from parley.llm.tokens import count_tokens

SOURCES = (
    GroundingSource(
        1, "Invitations", "An invitation link is valid for 7 days and works only once. Owners can invite people."
    ),
    GroundingSource(
        2, "Visitors", "A visitor token is valid for 15 minutes. Visitors never see the draft of an assistant."
    ),
    GroundingSource(
        3,
        "Backups",
        "Save the database with `pg_dump` every night. Valkey needs no backup, because it holds nothing that lasts.",
    ),
)
QUESTION = "How long is an invitation link valid?"
REFUSAL = "I do not know."
QUOTES = ["An invitation link is valid for 7 days and works only once. [1]"]


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("An invitation link is valid for 7 days.", 1),
        ("The invitation link is valid for 7 days and works once.", 1),
        ("A visitor token is valid for 15 minutes [3].", 2),
        ("Visitors never see the draft.", 2),
        ("Save the database with `pg_dump`.", 3),
        ("An invitation link is valid for 15 minutes.", None),
        ("An invitation link is valid for 70 days.", None),
        ("Visitors see the draft of an assistant.", None),
        ("Owners cannot invite people.", None),
        ("Save the database with `pg_restore`.", None),
        ("Save the database with pg_dump, it holds nothing that lasts.", None),
        ("The moon is made of cheese.", None),
        ("Yes.", None),
        ("", None),
    ],
)
def test_a_sentence_belongs_to_the_source_that_says_it(sentence: str, source: int | None) -> None:
    """Figures, commands and denials must agree, not only words."""
    assert attribute(sentence, SOURCES) == source


def test_an_echo_of_the_question_says_nothing() -> None:
    sources = (GroundingSource(1, "", "You can use the OpenAI code with Parley without changes."),)
    question = "Can I use the OpenAI code with Parley?"
    assert attribute("You can use the OpenAI code with Parley.", sources, question=question) is None
    assert attribute("You can use the OpenAI code with Parley without changes.", sources, question=question) == 1


def _honest(answer: str, *, step: int = 3, quotes: list[str] | None = None) -> str:
    reader = HonestAnswer(Grounding(QUESTION, SOURCES, REFUSAL), QUOTES if quotes is None else quotes)
    shown = "".join(reader.feed(answer[at : at + step]) for at in range(0, len(answer), step))
    return shown + reader.finish()


def test_a_true_answer_is_shown_with_its_source() -> None:
    assert _honest("An invitation link is valid for 7 days and works only once.") == QUOTES[0]


def test_an_invented_answer_is_replaced_by_the_quote() -> None:
    assert _honest("An invitation link is valid forever and can be shared with anybody.") == QUOTES[0]


def test_of_a_mixed_answer_the_true_part_stays() -> None:
    answer = (
        "Yes, an invitation link is valid for 7 days and works only once. Mars has two moons. How long is it valid?"
    )
    assert _honest(answer) == QUOTES[0]


def test_something_true_beside_the_point_gets_the_quote_as_well() -> None:
    assert _honest("Visitors never see the draft.") == f"Visitors never see the draft. [2]\n\n{QUOTES[0]}"


def test_a_model_that_repeats_itself_is_cut_short() -> None:
    reader = HonestAnswer(Grounding(QUESTION, SOURCES, REFUSAL), QUOTES)
    shown = "".join(reader.feed("An invitation link is valid for 7 days. ") for _ in range(20))
    assert reader.is_enough
    assert shown == "An invitation link is valid for 7 days. [1]"


def test_without_a_quote_there_is_only_the_refusal() -> None:
    """The sources are about something else: whatever the model says of them is no answer."""
    assert _honest("Visitors never see the draft.", quotes=[]) == REFUSAL
    assert HonestAnswer(Grounding(QUESTION, SOURCES, REFUSAL), []).is_enough


@pytest.mark.parametrize("step", [1, 2, 7, 1_000])
def test_how_the_stream_is_cut_changes_nothing(step: int) -> None:
    answer = "Visitors never see the draft. It is free, e.g. for you. An invitation link is valid for 7 days."
    assert _honest(answer, step=step) == _honest(answer, step=1_000)


def test_a_whole_answer_can_be_checked_at_once() -> None:
    grounding = Grounding(QUESTION, SOURCES, REFUSAL)
    assert "7 days" in keep_honest("It is valid for 99 years.", grounding)
    assert "99" not in keep_honest("It is valid for 99 years.", grounding)


def test_the_prompt_is_short_and_begins_alike_for_every_question() -> None:
    """The server keeps what it read of a prompt; only what differs is read again, at some 200 tokens a second."""
    prompts = []
    for question in (QUESTION, "What must I back up?"):
        sentences = select_sentences(question, SOURCES)
        prompts.append(compose_small_prompt(question, sentences))
    first, second = prompts
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    assert first[-1].content.endswith(QUESTION)
    assert "valid for 7 days" in first[-1].content
    assert count_tokens(first[-1].content) < 400
    assert sum(count_tokens(message.content) for message in first[:-1]) < 300
    assert MAX_OUTPUT_TOKENS <= 100


def test_sentences_keep_to_their_budget() -> None:
    long = GroundingSource(
        1, "", " ".join(f"Invitation number {n} is valid for {n} days and works once." for n in range(80))
    )
    chosen = select_sentences(QUESTION, (long,), 40)
    assert 1 <= len(chosen) <= 3
    assert sum(count_tokens(piece.text) for piece in chosen) <= 40
