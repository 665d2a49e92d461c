"""E-books are read chapter by chapter in the order of their spine (L-13)."""

from __future__ import annotations

import io
import zipfile

import pytest

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.formats.epub import read_epub

_PACKAGE = (
    '<package><metadata><title>Guide</title><creator>Ada</creator></metadata><manifest><item id="a" href="a.xhtml"/>'
    '<item id="b" href="b%201.xhtml"/><item id="gone" href="gone.xhtml"/></manifest>'
    '<spine><itemref idref="b"/><itemref idref="gone"/><itemref idref="a"/></spine></package>'
)
_PARTS = {
    "META-INF/container.xml": '<container><rootfile full-path="O/p.opf"/></container>',
    "O/p.opf": _PACKAGE,
    "O/a.xhtml": "<html><head><title>Second</title></head><body><p>Later words</p></body></html>",
    "O/b 1.xhtml": "<html><body><h1>First</h1><p>Early words</p></body></html>",
}


def _book(**changed: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (_PARTS | changed).items():
            archive.writestr(name, text)
    return target.getvalue()


def test_l13_chapters_follow_the_spine_and_missing_ones_are_skipped() -> None:
    document = read_epub(_book())
    assert document.title == "Guide – Ada"
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("heading", "First"),
        ("paragraph", "Early words"),
        ("heading", "Second"),
        ("paragraph", "Later words"),
    ]
    assert read_epub(_book()) == document


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"META-INF/encryption.xml": '<e><CipherReference URI="O/a.xhtml"/></e>'}, "protected"),
        ({"O/p.opf": '<!DOCTYPE x [<!ENTITY e "x">]>' + _PACKAGE}, "damaged"),
        ({"O/p.opf": "<package"}, "damaged"),
        ({"O/big": "0" * 30_000_000}, "compression bomb"),
    ],
)
def test_l13_protected_hostile_and_damaged_books_are_refused(changed: dict[str, str], sentence: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_epub(_book(**changed))
    assert sentence in caught.value.sentence


def test_l13_half_a_book_is_damaged() -> None:
    with pytest.raises(Unreadable):
        read_epub(_book()[:200])
