"""The citation reader: what is a marker, what is left alone, and that the cut of the stream is irrelevant."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.assistants.runtime.citations import CitationReader, strip_markers


def read(text: str, numbers: tuple[int, ...] = (1, 2, 3)) -> tuple[str, tuple[int, ...]]:
    reader = CitationReader(numbers)
    shown = reader.feed(text) + reader.finish()
    assert shown == reader.text
    return shown, reader.cited


@pytest.mark.parametrize(
    ("said", "shown", "cited"),
    [
        ("It has 15 seats [1].", "It has 15 seats [1].", (1,)),
        ("Seats [1, 2] and [3][1].", "Seats [1][2] and [3][1].", (1, 2, 3)),
        ("Seats [1-3].", "Seats [1][2][3].", (1, 2, 3)),
        ("Seats [2; 1] here.", "Seats [2][1] here.", (2, 1)),
        ("Seats [1 and 2].", "Seats [1][2].", (1, 2)),
        ("Seats 【1】.", "Seats [1].", (1,)),
        ("Seats 【2†source】.", "Seats [2].", (2,)),
        ("Seats [Source 1].", "Seats [1].", (1,)),
        ("Seats [sources 1, 2].", "Seats [1][2].", (1, 2)),
        ("Seats [Source: 3].", "Seats [3].", (3,)),
        ("Seats [Source 1, Source 2].", "Seats [1][2].", (1, 2)),
        ("Seats [^2].", "Seats [2].", (2,)),
        ("Seats [ 1 ].", "Seats [1].", (1,)),
        ("Both [[1]] here", "Both [[1]] here", (1,)),
    ],
)
def test_markers_become_plain_numbers(said: str, shown: str, cited: tuple[int, ...]) -> None:
    assert read(said) == (shown, cited)


@pytest.mark.parametrize(
    ("said", "shown", "cited"),
    [
        ("It has 15 seats [9].", "It has 15 seats.", ()),
        ("It has [9] seats.", "It has seats.", ()),
        ("It has [9, 1] seats.", "It has [1] seats.", (1,)),
        ("Known [9][1].", "Known [1].", (1,)),
        ("Known [9] [1].", "Known [1].", (1,)),
        ("[9] It has seats.", "It has seats.", ()),
        ("One\n[7] two", "One\ntwo", ()),
        ("End [12]", "End", ()),
        ("End [12]  \nnext", "End  \nnext", ()),
    ],
)
def test_a_marker_that_names_no_source_is_dropped_with_its_blanks(
    said: str, shown: str, cited: tuple[int, ...]
) -> None:
    assert read(said) == (shown, cited)


@pytest.mark.parametrize(
    "text",
    [
        "See [the guide](https://example.com/a[1]) or [1](https://example.com).",
        "A [note], a [ ] box, a [x] box, [see 1], [Section 2], a year [2024], [source code].",
        "Inline `items[1]` and ``a ` [2]`` stay.",
        "```python\nrows[1] = cells[9]\n```",
        "~~~\nrows[9]\n~~~",
        "````\n```\nrows[9]\n```\n````",
        "Escaped \\[1\\] and \\[9] stay.",
        "items[0] is the first",
        "open [1",
        "open [Source",
        "trailing blanks   ",
        "tildes ~ and ~~struck~~ out",
        "Brackets [12345] and [1.5] stay",
    ],
)
def test_code_links_and_other_brackets_are_left_alone(text: str) -> None:
    assert read(text) == (text, ())


def test_citations_work_again_after_code_ends() -> None:
    text = "Use `x[9]` so [1].\n\n```\ny[9]\n```\nThen [2].\n\nA stray ` tick\n\nnew paragraph [3]."
    assert read(text) == (text, (1, 2, 3))


def test_a_marker_cannot_define_a_link_target_for_other_markers() -> None:
    assert read("So [1].\n\n[1]: https://evil.example") == (
        "So [1].\n\n[1] https://evil.example",
        (1,),
    )


def test_only_the_undecided_end_is_held_back() -> None:
    reader = CitationReader((1,))
    assert reader.feed("It has 15 seats") == "It has 15 seats"
    assert reader.feed(" ") == ""
    assert reader.feed("today") == " today"
    assert reader.feed(" [") == ""
    assert reader.feed("note") == " [note"
    assert reader.feed("] [1]") == "]"
    assert reader.feed(".") == " [1]."


def test_an_opened_bracket_never_holds_back_more_than_a_line() -> None:
    reader = CitationReader((1,))
    held = 0
    for _ in range(400):
        held = held + 1 if reader.feed("1,") == "" else 0
        assert held < 80
    assert "[" not in reader.text


def test_strip_markers_leaves_readable_text() -> None:
    assert strip_markers("It has 15 seats [1][2]. Yes [3]!") == "It has 15 seats. Yes!"


BRACKETS = ("[", "]", "【", "】", "[1]", "[9]", "[1, 2]", " [Source 2]", "[a](b)", "(", ")", "†", "^", "#")
CODE = ("`", "```", "~~~", "\\", "`x[1]`")
WORDS = ("1", "9", "0", ",", ":", "-", "a", "source ", "and ", "word ", "é", " ", "\t", "\n", "\n\n")
PIECES = st.sampled_from([*BRACKETS, *CODE, *WORDS])


@settings(max_examples=400, deadline=None)
@given(pieces=st.lists(PIECES, max_size=40), data=st.data())
def test_the_result_does_not_depend_on_how_the_stream_is_cut(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12).map(sorted))
    reader = CitationReader((1, 2))
    bounds = [0, *cuts, len(text)]
    shown = [reader.feed(text[a:b]) for a, b in pairwise(bounds)]
    shown.append(reader.finish())
    assert "".join(shown) == reader.text
    assert (reader.text, reader.cited) == read(text, (1, 2))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_text_without_brackets_passes_unchanged(text: str) -> None:
    text = text.replace("[", "").replace("【", "")
    assert read(text) == (text, ())


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(PIECES, max_size=40))
def test_every_cited_number_is_a_source_and_can_be_seen(pieces: list[str]) -> None:
    shown, cited = read("".join(pieces), (1, 2))
    assert set(cited) <= {1, 2}
    assert all(f"[{number}]" in shown for number in cited)
