"""Answers without a model: the right sentence, cited, with what it needs; the refusal when there is none."""

import pytest

from parley.llm import Grounding, GroundingSource, LlmError, ModelTarget, TextDelta, chat
from parley.llm.local_similarity import local_similarity
from parley.llm.quoting import quote_answer
from parley.llm.relevance import best_sentences
from parley.llm.sentences import pieces_of, split_sentences
from parley.llm.words import content_stems
from tests.parley.llm.requests import a_request, events_of

REFUSAL = "I could not find this in the documentation."
SOURCES = (
    GroundingSource(
        1,
        "Library rules",
        "## Borrowing\n\nA book may be kept for four weeks. Members may borrow up to 6 books at a time.\n\n"
        "## Opening hours\n\nThe library is open from 9:00 to 18:30 on weekdays. It is closed on Sundays.",
    ),
    GroundingSource(
        2,
        "The computers",
        "## Printing\n\nTo print a page, run this command:\n\n```sh\nprint-page --to lobby\n```\n\n"
        "Printing costs 10 cents a page because paper is dear.\n\n"
        "## Cards\n\nThere are three kinds of cards:\n\n- A day card is free.\n- A year card costs 12 euros.\n"
        "- A family card costs 20 euros.",
    ),
)


def _answer(question: str, sources: tuple[GroundingSource, ...] = SOURCES) -> str:
    return "".join(quote_answer(Grounding(question, sources, REFUSAL), similarity=local_similarity))


@pytest.mark.parametrize(
    ("question", "fact", "source"),
    [
        ("How many books can I take home?", "6 books", 1),
        ("When do you open in the morning?", "9:00", 1),
        ("For how long may I keep a book?", "four weeks", 1),
        ("Why do I have to pay for printing?", "because paper is dear", 2),
        ("What does a family card cost?", "20 euros", 2),
    ],
)
def test_the_sentence_that_answers_is_quoted_and_cited(question: str, fact: str, source: int) -> None:
    answer = _answer(question)
    sentence = next(line for line in answer.replace(f"[{source}] ", f"[{source}]\n").splitlines() if fact in line)
    assert sentence.endswith(f"[{source}]")
    assert len(answer) < 500


def test_a_command_comes_with_the_words_that_lead_to_it() -> None:
    answer = _answer("How do I print a page?")
    assert "To print a page, run this command: [2]\n\n```sh\nprint-page --to lobby\n```" in answer


def test_a_list_comes_whole_after_its_colon() -> None:
    answer = _answer("Which kinds of cards are there?")
    assert "- A day card is free. [2]\n- A year card costs 12 euros. [2]\n- A family card costs 20 euros. [2]" in answer


@pytest.mark.parametrize(
    "question", ["Who won the world cup in 1974?", "What is the capital of France?", "Tell me a joke about cats"]
)
def test_what_the_sources_do_not_say_is_refused(question: str) -> None:
    assert _answer(question) == REFUSAL


def test_no_sources_no_answer() -> None:
    assert _answer("When do you open?", ()) == REFUSAL
    assert quote_answer(Grounding("When?", (), REFUSAL), or_nothing=True) == []


def test_words_alone_suffice_when_the_embedder_is_away() -> None:
    grounding = Grounding("How many books may members borrow?", SOURCES, REFUSAL)
    assert "6 books at a time. [1]" in "".join(quote_answer(grounding))


def test_meaning_finds_what_shares_no_word() -> None:
    """Removing the embedder would lose this one."""
    sources = (GroundingSource(1, "", "The fee is five euros. Physicians are on duty around the clock."),)
    question = "Can I see a doctor at night?"
    by_meaning = best_sentences(question, sources, similarity=local_similarity)
    assert by_meaning[0].piece.text.startswith("Physicians")
    by_words = best_sentences(question, sources)
    assert by_words[0].piece.text.startswith("The fee")


async def test_the_backend_streams_and_counts_honestly() -> None:
    target = ModelTarget(backend="extractive", model="extractive")
    request = a_request(target, grounding=Grounding("How many books may I borrow at a time?", SOURCES, REFUSAL))
    events = await events_of(request)
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    result = await chat(request)
    assert "".join(deltas) == result.text
    assert "6 books" in result.text
    assert result.usage.is_reported
    assert result.usage.output_tokens > 5
    assert result.reason == "stop"


async def test_the_backend_cannot_answer_without_sources_to_quote() -> None:
    with pytest.raises(LlmError) as caught:
        await chat(a_request(ModelTarget(backend="extractive", model="extractive")))
    assert caught.value.kind == "refused"


@pytest.mark.parametrize(
    ("paragraph", "count"),
    [
        ("One. Two! Three?", 3),
        ("See e.g. the manual, Fig. 3, by Dr. J. Who. Then stop.", 2),
        ("It takes 3.5 s. No more.", 2),
        ("Run `a. B` now. Done.", 2),
        ('He said "Stop." Then he left.', 2),
        ("Version 2.0 is out", 1),
        ("The answer is no. Ask again.", 2),
        ("これは文です。次の文です。", 2),
        ("", 0),
    ],
)
def test_sentences_end_where_they_end(paragraph: str, count: int) -> None:
    sentences = split_sentences(paragraph)
    assert len(sentences) == count, sentences
    assert " ".join(sentences).replace(" ", "") == paragraph.replace(" ", "")


def test_pieces_know_where_they_stand() -> None:
    pieces = pieces_of(SOURCES[1])
    code = next(piece for piece in pieces if piece.kind == "code")
    assert code.lead == "To print a page, run this command:"
    assert code.headings == ("Printing",)
    items = [piece for piece in pieces if piece.kind == "item"]
    assert items[0].text == "A day card is free."
    assert items[0].headings == ("Cards",)


@pytest.mark.parametrize(
    "text", ["```\nunclosed", "#", "- ", "| a | b |\n|---|---|\n| 1 | 2 |", "\n\n\n", "* * *", "```"]
)
def test_odd_markdown_breaks_nothing(text: str) -> None:
    for piece in pieces_of(GroundingSource(1, "t", text)):
        assert piece.text.strip()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("embedding", "embed"),
        ("policies", "policy"),
        ("stopped", "stop"),
        ("sign-in", "sign in"),
        ("backups", "back up"),
    ],
)
def test_forms_of_a_word_meet(one: str, other: str) -> None:
    assert set(content_stems(one)) & set(content_stems(other))
