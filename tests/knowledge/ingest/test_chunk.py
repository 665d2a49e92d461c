"""Chunks follow the document's own structure and fit the embedder's window."""

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.knowledge.ingest.blocks import BlockBuilder, ExtractedDocument
from apps.knowledge.ingest.chunk import chunk, embedded_text
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.limits import CHUNK_TOKENS
from apps.knowledge.ingest.tokens import count_tokens
from tests.knowledge import files

_PROSE = "Each request is answered in turn and every answer names its source. "


def _document(build: list[tuple[str, str, int]]) -> ExtractedDocument:
    builder = BlockBuilder()
    for kind, text, level in build:
        if kind == "heading":
            builder.heading(text, level)
        else:
            builder.add(kind, text)  # type: ignore[arg-type]
    return builder.finish()


def test_sections_of_some_size_stay_apart() -> None:
    document = _document(
        [
            ("heading", "Guide", 1),
            ("heading", "Ports", 2),
            ("paragraph", _PROSE * 5, 0),
            ("heading", "Users", 2),
            ("paragraph", _PROSE * 5, 0),
        ]
    )
    chunks = chunk(document)
    assert [c.headings for c in chunks] == [("Guide", "Ports"), ("Guide", "Users")]
    assert [c.location for c in chunks] == ["Ports", "Users"]


def test_tiny_sections_join_under_their_common_heading() -> None:
    document = _document(
        [
            ("heading", "Glossary", 1),
            ("heading", "Chunk", 2),
            ("paragraph", "A piece.", 0),
            ("heading", "Passage", 2),
            ("paragraph", "A found chunk.", 0),
        ]
    )
    (only,) = chunk(document)
    assert only.headings == ("Glossary",)
    assert only.text == "Chunk\n\nA piece.\n\nPassage\n\nA found chunk."


def test_a_long_table_is_cut_between_rows_and_keeps_its_head() -> None:
    rows = "\n".join(f"| item {n} | {n * 3} euros and some more words |" for n in range(60))
    document = _document([("table", "| Name | Price |\n| --- | --- |\n" + rows, 0)])
    chunks = chunk(document)
    assert len(chunks) > 3
    for piece in chunks:
        lines = piece.text.splitlines()
        assert lines[0] == "| Name | Price |"
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    joined = "\n".join(piece.text for piece in chunks)
    assert all(f"| item {n} |" in joined for n in range(60))


def test_a_table_that_fits_is_never_cut() -> None:
    table = "| A | B |\n| --- | --- |\n" + "\n".join(f"| {n} | x |" for n in range(12))
    document = _document([("paragraph", _PROSE * 9, 0), ("table", table, 0), ("paragraph", _PROSE * 9, 0)])
    assert any(table in piece.text for piece in chunk(document))


def test_pages_are_the_location_of_a_pdf() -> None:
    locations = [piece.location for piece in chunk(extract(files.pdf(3), "a.pdf"))]
    assert locations
    assert all(location.startswith("page") for location in locations)


def test_a_heading_without_content_is_not_lost() -> None:
    chunks = chunk(_document([("paragraph", _PROSE, 0), ("heading", "Only a heading", 2)]))
    assert "Only a heading" in chunks[-1].text


def test_chunks_are_deterministic_and_numbered() -> None:
    document = extract(files.long_markdown(30), "a.md")
    chunks = chunk(document)
    assert chunks == chunk(document)
    assert [piece.ordinal for piece in chunks] == list(range(len(chunks)))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["heading", "paragraph", "list", "table", "code"]),
            st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=900),
            st.integers(1, 6),
        ),
        max_size=12,
    )
)
def test_every_chunk_fits_the_window_and_no_word_is_lost(build: list[tuple[str, str, int]]) -> None:
    document = _document(build)
    chunks = chunk(document)
    everything = " ".join(embedded_text(document.title, piece.headings, piece.text) for piece in chunks)
    for piece in chunks:
        assert piece.text.strip()
        # Windows are counted over joined pieces; the joints cost a few word pieces at most.
        assert count_tokens(piece.text) <= CHUNK_TOKENS + 30
    for block in document.blocks:
        if block.kind == "paragraph":
            assert all(word in everything for word in block.text.split()[:3] if len(word) < 30)
