"""JSON becomes text that a person, and so a search, can read."""

from __future__ import annotations

import json

import pytest

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.extract import extract


def _shown(content: str, name: str = "a.json") -> list[tuple[str, str]]:
    return [(block.kind, block.text) for block in extract(content.encode(), name).blocks]


def test_records_become_sections_called_by_their_title() -> None:
    records = [
        {"question": "May I return it?", "answer": "Yes, " + "within 30 days. " * 20, "tags": ["returns", "money"]},
        {"question": "Who pays?", "answer": "We do.", "limits": {"weight": "2 kg", "size": None}},
    ]
    assert _shown(json.dumps(records)) == [
        ("heading", "May I return it?"),
        ("list", "question: May I return it?\ntags: returns, money"),
        ("paragraph", records[0]["answer"].strip()),  # type: ignore[attr-defined]
        ("heading", "Who pays?"),
        ("list", "question: Who pays?\nanswer: We do.\nlimits:\n  weight: 2 kg\n  size:"),
    ]


def test_small_regular_records_become_a_table() -> None:
    assert _shown('[{"sku": "A1", "price": 1.10}, {"sku": "B2", "price": 12345678901234567890.5}]') == [
        ("table", "| sku | price |\n| --- | --- |\n| A1 | 1.10 |\n| B2 | 12345678901234567890.5 |")
    ]


def test_an_object_keeps_its_nesting_as_sections() -> None:
    document = extract(
        b'{"title": "Handbook", "teams": [{"name": "Sales", "desk": {"room": {"floor": 2}}}], "open": true}', "a.json"
    )
    assert document.title == "Handbook"
    assert [(b.kind, b.text, b.headings) for b in document.blocks] == [
        ("list", "title: Handbook\nopen: true", ()),
        ("heading", "teams", ()),
        ("heading", "Sales", ("teams",)),
        ("list", "name: Sales", ("teams", "Sales")),
        ("heading", "desk", ("teams", "Sales")),
        ("list", "room:\n  floor: 2", ("teams", "Sales", "desk")),
    ]


def test_lines_are_records_whatever_the_name_says() -> None:
    lines = '{"id": 1, "text": "one"}\n\n{"id": 2, "text": "two"}\n'
    for name in ("a.jsonl", "a.ndjson", "a.json", "upload"):
        assert _shown(lines, name) == [("table", "| id | text |\n| --- | --- |\n| 1 | one |\n| 2 | two |")]


@pytest.mark.parametrize(
    ("content", "name", "line"),
    [
        ('{"a": 1,\n "b": }', "a.json", 2),
        ("[1,\n2,\n3 4]", "a.json", 3),
        ('{"a": 1}\n{"a": \n', "a.jsonl", 2),
        ("[1, 2", "a.json", 1),
        ("words", "a.json", 1),
    ],
)
def test_the_line_that_is_no_json_is_named(content: str, name: str, line: int) -> None:
    with pytest.raises(Unreadable, match=f"Line {line} of the file is not valid JSON"):
        extract(content.encode(), name)


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b'[{"a":' * 1000 + b"1" + b"}]" * 1000])
def test_l13_deep_nesting_ends_in_text_or_a_sentence(content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"nested too deeply|no words|not valid"):
        extract(content, "a.json")


def test_l13_a_number_of_a_million_digits_is_kept_as_text() -> None:
    assert extract(b'{"a": ' + b"9" * 1_000_000 + b"}", "a.json").blocks[0].text.endswith("999")
