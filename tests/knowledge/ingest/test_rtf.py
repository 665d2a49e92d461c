"""Rich text: words, letters of every kind, headings and tables come out; what is damaged gets a sentence."""

from __future__ import annotations

import pytest

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.rtf import read_rtf

_DOCUMENT = (
    rb"{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0 Helvetica;}}{\*\generator Writer;}{\info{\title Hidden}}"
    rb"\pard\outlinelevel0 Leave policy\par\pard Caf\'e9s pay \u8364?5 \endash  \{each\}.\par "
    rb"{\pict 89504e47}Second \u-10179?\u-8704? line.\par"
    rb"\trowd\pard\intbl Plan\cell Seats\cell\row\trowd\pard\intbl Team\cell 15\cell\row\pard After.\par}"
)


def test_text_headings_and_tables_are_read_in_order() -> None:
    blocks = [(block.kind, block.text) for block in read_rtf(_DOCUMENT).blocks]
    assert blocks == [
        ("heading", "Leave policy"),
        ("paragraph", "Cafés pay €5 – {each}."),
        ("paragraph", "Second \U0001f600 line."),
        ("table", "| Plan | Seats |\n| --- | --- |\n| Team | 15 |"),
        ("paragraph", "After."),
    ]
    assert read_rtf(_DOCUMENT) == read_rtf(_DOCUMENT)


def test_letters_of_two_bytes_are_put_together() -> None:
    japanese = rb"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b\par}"
    assert [block.text for block in read_rtf(japanese).blocks] == ["日本"]


@pytest.mark.parametrize(
    "content",
    [b"no rich text", b"{\\rtf1 " + b"{" * 5000 + b"x" + b"}" * 5000 + b"}", b"{\\rtf1 \\bin99999 abc}"],
)
def test_what_cannot_be_read_gets_a_sentence(content: bytes) -> None:
    """L-13: no depth and no raw part costs more than a sentence."""
    with pytest.raises(Unreadable) as refused:
        read_rtf(content)
    assert refused.value.sentence.endswith((".", "docx."))


@pytest.mark.parametrize("cut", range(8, len(_DOCUMENT), 7))
def test_a_file_cut_off_anywhere_never_fails_otherwise(cut: int) -> None:
    read_rtf(_DOCUMENT[:cut])
