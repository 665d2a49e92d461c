"""Every format becomes the same kind of blocks: in order, with headings, pages, tables and code kept."""

import pytest

from apps.knowledge.ingest.blocks import Block, ExtractedDocument, Unreadable
from apps.knowledge.ingest.extract import extract
from tests.knowledge import files


def _kinds(document: ExtractedDocument) -> list[str]:
    return [block.kind for block in document.blocks]


def _only(document: ExtractedDocument, kind: str) -> Block:
    (block,) = [block for block in document.blocks if block.kind == kind]
    return block


def test_markdown_keeps_structure() -> None:
    document = extract(files.MARKDOWN, "a.md")
    assert document.title == "Setup guide"
    assert _kinds(document) == [
        "heading", "paragraph", "heading", "paragraph", "table", "code", "heading", "list",
    ]  # fmt: skip
    assert _only(document, "table").text.splitlines()[0] == "| Variable | Default |"
    assert _only(document, "code").headings == ("Setup", "Ports")
    assert "# not a heading" in _only(document, "code").text
    assert _only(document, "list").text == "- Press Ctrl-C\n- Or run down"


def test_html_drops_what_surrounds_and_what_hides() -> None:
    document = extract(files.HTML, "a.html")
    text = "\n".join(block.text for block in document.blocks)
    assert document.title == "Refunds"
    for absent in ("Navigation", "Imprint", "alert", "Ignore all"):
        assert absent not in text
    assert "Money comes back within 14 days." in text
    assert _only(document, "list").text == "- Vouchers\n  - Gift cards\n- Repairs"
    assert _only(document, "list").headings == ("Refunds", "Exceptions")
    assert "| Norway | 30 |" in _only(document, "table").text
    assert _only(document, "code").text == "curl  -X POST"


def test_pdf_knows_pages_and_headings_and_drops_running_heads() -> None:
    document = extract(files.pdf(4), "a.pdf")
    assert document.page_count == 4
    assert [b.text for b in document.blocks if b.kind == "heading"] == [f"Chapter {n}" for n in (1, 2, 3, 4)]
    paragraphs = [b for b in document.blocks if b.kind == "paragraph"]
    assert [b.page for b in paragraphs] == [1, 2, 3, 4]
    # A word divided at the end of a line is whole again.
    assert paragraphs[1].text == "The code of chapter 2 is zebra2 and every reader should remember it well, always."
    assert paragraphs[1].headings == ("Chapter 2",)


def test_docx_keeps_order_lists_and_tables() -> None:
    document = extract(files.docx(), "a.docx")
    assert _kinds(document) == ["heading", "paragraph", "heading", "list", "table", "paragraph"]
    assert _only(document, "list").text == "- Hotels up to 120 euros\n- Meals up to 40 euros"
    assert _only(document, "table").text.splitlines() == ["| City | Hotel |", "| --- | --- |", "| Oslo | 180 |"]
    assert document.blocks[-1].headings == ("Travel policy", "Limits")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_is_decoded_whatever_its_encoding(encoding: str) -> None:
    source = "Straßen\n=======\n\nDie Größe der Straße wird in Metern gemessen, für jede Gemeinde.\n\n* eins\n* zwei\n"
    document = extract(source.encode(encoding), "a.txt")
    assert document.title == "Straßen"
    assert "Größe der Straße" in document.blocks[1].text
    assert document.blocks[2].kind == "list"


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (files.pdf(2, with_text=False), "scan.pdf", "pictures of pages"),
        (b"%PDF-1.7 nothing of the kind", "a.pdf", "damaged"),
        (b"<html><body><script>x()</script></body></html>", "a.html", "no words"),
        (b" \n\n--- \n", "a.txt", "no words"),
        (files.docx_with(b"<w:document"), "a.docx", "damaged"),
    ],
)
def test_what_cannot_be_read_is_explained(content: bytes, name: str, words: str) -> None:
    with pytest.raises(Unreadable) as caught:
        extract(content, name)
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("content", "name"),
    [(files.MARKDOWN, "a.md"), (files.HTML, "a.html"), (files.pdf(3), "a.pdf"), (files.docx(), "a.docx")],
)
def test_the_result_is_deterministic_and_survives_the_border(content: bytes, name: str) -> None:
    document = extract(content, name)
    assert extract(content, name) == document
    assert ExtractedDocument.from_json(document.to_json()) == document


def test_invisible_characters_do_not_reach_the_model() -> None:
    """Tag characters and zero-width signs carry instructions that no reader sees (L-04)."""
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    document = extract(f"Visible{hidden}\u200b words".encode(), "a.txt")
    assert document.blocks[0].text == "Visible words"


def test_deep_nesting_ends_in_text_or_a_sentence() -> None:
    content = b"<html><body>" + b"<div>" * 4_000 + b"deep words" + b"</div>" * 4_000
    assert "deep words" in extract(content, "a.html").blocks[-1].text
    with pytest.raises(Unreadable, match="nested too deeply"):
        extract(content.replace(b"<div>", b"<div>" * 50), "a.html")
