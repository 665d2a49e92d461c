"""A CSV file is taken whole, or refused with a sentence for every row that is wrong."""

from __future__ import annotations

import pytest

from apps.evaluations.contracts import CaseSpec, format_facts, parse_facts
from apps.evaluations.services.case_files import MAX_BYTES, read_cases
from parley.errors import Invalid, TooLarge


def rows_of(content: str | bytes) -> list[str]:
    with pytest.raises(Invalid) as problem:
        read_cases(content if isinstance(content, bytes) else content.encode())
    rows = problem.value.extra["errors"]["rows"]
    assert isinstance(rows, list)
    return rows


def test_cells_may_hold_lines_commas_and_alternatives() -> None:
    cases = read_cases(
        b"question,expected_facts,expected_document,notes\r\n"
        b'"How many seats, please?","15 seats | fifteen seats\nper month",pricing.md,\r\n'
        b"\r\n"
        b"And for teams?,,,ask Ada\r\n"
    )
    assert cases == [
        CaseSpec("How many seats, please?", (("15 seats", "fifteen seats"), ("per month",)), "pricing.md", ""),
        CaseSpec("And for teams?", (), "", "ask Ada"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Question;Expected facts\nWhat?;this\n",
        "\ufeffquestion,expected_facts\nWhat?,this\n",
        " QUESTION ,expected_facts\r\nWhat?,this",
    ],
)
def test_what_spreadsheets_write_is_understood(content: str) -> None:
    assert read_cases(content.encode()) == [CaseSpec("What?", (("this",),))]


def test_every_wrong_row_is_named_by_its_first_line() -> None:
    rows = rows_of(
        f'question,expected_facts\n"Two\nlines?",a\n,b\nToo many?,c,d\nLong?,{"x" * 501}\ntwo LINES?,again\nFine?,e\n'
    )
    assert rows == [
        "Line 4: Write the question.",
        "Line 5: 3 cells, but the header has 2 columns.",
        "Line 6: Each wording of a fact may have at most 500 characters.",
        "Line 7: The same question is already in line 2.",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "needs the column “question”"),
        ("frage\nWas?\n", "needs the column “question”"),
        ("question,expected_fact\nWhat?,this\n", "unknown column “expected_fact”"),
        ("question,question\nWhat?,this\n", "a column appears twice"),
        ("question\n", "no cases"),
        ('question\n"never closed\n', "Check the quotation marks"),
        (b"question\nGr\xfc\xdfe?\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_cases_says_why(content: str | bytes, sentence: str) -> None:
    assert sentence in rows_of(content)[0]


def test_many_wrong_rows_do_not_fill_the_page() -> None:
    rows = rows_of("question,notes\n" + ",x\n" * 80)
    assert len(rows) == 51
    assert rows[-1] == "… and 30 more."


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(TooLarge, match="2 MB"):
        read_cases(b"question\n" + b"x" * MAX_BYTES)
    with pytest.raises(TooLarge, match="2,000"):
        read_cases(b"question\n" + b"\n".join(b"Q%d" % number for number in range(2001)))


def test_facts_survive_a_round_trip_through_their_text() -> None:
    text = "15 seats | fifteen seats\nper month"
    assert format_facts(parse_facts(text)) == text
    assert parse_facts(" | \n\n a |  b \n") == (("a", "b"),)
