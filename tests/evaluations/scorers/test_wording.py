"""A fact is found however it is printed, and a different fact is not."""

from __future__ import annotations

import pytest

from apps.evaluations.scorers.wording import normalize, states


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("The Team plan includes **15 seats** [2].", "15 Seats"),
        ("up to 1,000 users", "1000 users"),
        ("up to 1 000 users", "1,000 users"),
        ("up to 1\u202f000 users", "1'000 users"),
        ("12.345.678 rows", "12,345,678"),
        ("at most 25MB per file", "25 MB"),
        ("at most 25\u00a0MB per file", "25MB"),
        ("a share of 5 %", "5%"),
        ("costs $ 5.00", "$5"),
        ("costs 3,5 euros", "3.5 euros"),
        ("Add it to the allow-list.", "allow list"),
        ("Run `make  up` now", "make up"),
        ("run manage.py up --no-local-model", "--no-local-model"),
        ("the files in .parley/ stay", ".parley/"),
        ("it\u2019s \u201cfree\u201d", 'it\'s "free"'),
        ("Two seats are free", "seat"),
        ("STRASSE", "straße"),
        ("valid for 7 days.", "7 days"),
        ("[see [1]](https://x.test/widget/v1.js)", "widget/v1.js"),
    ],
)
def test_equal_facts_are_found(text: str, wording: str) -> None:
    assert states(text, wording)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("15 seats", "5 seats"),
        ("5 seats", "15 seats"),
        ("costs 5.5 dollars", "5"),
        ("costs 5.5 dollars", "5 dollars"),
        ("version 3.10", "3.1"),
        ("10,500 users", "500 users"),
        ("10,500 users", "10"),
        ("this is unable to", "able"),
        ("the category", "cat"),
        ("USB4 ports", "4 ports"),
        ("anything", "   "),
        ("", "fact"),
        ("it is 1.234 metres", "1234"),
    ],
)
def test_different_facts_are_not(text: str, wording: str) -> None:
    assert not states(text, wording)


def test_normalizing_twice_changes_nothing() -> None:
    for text in ["Up to 1,000 Users [2]", "1.234.567,50 € \u2013 5 %", "a  -  b", "$ 5.00 25MB 3rd"]:
        assert normalize(normalize(text)) == normalize(text)
