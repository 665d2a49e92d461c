"""Changes of a text in words, between versions, labels and the draft."""

from typing import Any

import pytest

from apps.assistants.word_diff import DiffPart, diff_words
from tests.assistants.test_api import LIST, Api, create


def joined(parts: tuple[DiffPart, ...], *kinds: str) -> str:
    return "".join(part.text for part in parts if part.kind in kinds)


def test_one_word_is_one_change() -> None:
    parts = diff_words("Answer in a friendly tone.\nBe short.", "Answer in a formal tone.\nBe short.")
    assert parts == (
        DiffPart("same", "Answer in a "),
        DiffPart("removed", "friendly "),
        DiffPart("added", "formal "),
        DiffPart("same", "tone.\nBe short."),
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "New text.\n"),
        ("Old text.\n", ""),
        ("One two three.", "One three two!"),
        ("Köln  ist\n\n\tgroß – ja.", "Köln ist\n\tgroß – nein."),
        ("日本語の文", "日本の文章"),
        ("a\r\nb\r\n", "a\nb\n"),
    ],
)
def test_nothing_is_lost_on_the_way(before: str, after: str) -> None:
    parts = diff_words(before, after)
    assert joined(parts, "same", "removed") == before
    assert joined(parts, "same", "added") == after


def test_what_has_little_in_common_is_told_apart_as_a_whole() -> None:
    before, after = "Greet people warmly and ask for their name.", "Never mention prices; send them to sales."
    assert diff_words(before, after) == (DiffPart("removed", before), DiffPart("added", after))


def test_far_unchanged_lines_are_left_out() -> None:
    same = [f"Line {number}." for number in range(30)]
    parts = diff_words("\n".join([*same, "Old end."]), "\n".join([*same, "New end."]))
    assert parts[0] == DiffPart("skipped", "28 unchanged lines")
    assert joined(parts, "same") == "Line 28.\nLine 29.\nend."


@pytest.mark.django_db
def test_the_json_door_compares_numbers_labels_and_the_draft(tenant_a: Any) -> None:
    api = Api(tenant_a.headers)
    create(api, instructions="Be kind to people.")
    api("POST", f"{LIST}guide/publish/")
    api("PATCH", f"{LIST}guide/draft/", {"instructions": "Be fair to people.", "temperature": 0.3})
    api("POST", f"{LIST}guide/versions/")
    api("PUT", f"{LIST}guide/labels/staging/", {"number": 2})
    for query in ("from=1&to=2", "from=production&to=staging", ""):
        changes = api("GET", f"{LIST}guide/compare/?{query}").json()["changes"]
        assert [change["field"] for change in changes] == ["instructions", "temperature"]
        assert {"kind": "removed", "text": "kind "} in changes[0]["parts"]
        assert (changes[1]["before"], changes[1]["after"], changes[1]["parts"]) == ("The model's default", "0.3", [])
    assert api("GET", f"{LIST}guide/compare/?from=9").status_code == 404
    assert api("GET", f"{LIST}guide/compare/?from=nowhere").status_code == 404
