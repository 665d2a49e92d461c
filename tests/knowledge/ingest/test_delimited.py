"""Tables as CSV and TSV: rows keep their head, in every encoding people export."""

from __future__ import annotations

import pytest

from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.ingest.chunk import chunk
from apps.knowledge.ingest.extract import extract
from apps.knowledge.ingest.formats import delimited


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_is_read_with_any_delimiter(mark: str, encoding: str) -> None:
    rows = [["Name", "Town"], ["Zoë", "Köln"], ["Ann", "Bath"]]
    content = "\r\n".join(mark.join(row) for row in rows).encode(encoding)
    document = extract(content, "a.csv")
    assert document == extract(content, "a.csv")
    assert [block.kind for block in document.blocks] == ["table"]
    assert document.blocks[0].text.splitlines()[::2] == ["| Name | Town |", "| Zoë | Köln |"]


def test_every_chunk_of_a_long_table_repeats_its_head() -> None:
    content = "Article,Price\n" + "".join(f"Lamp number {n},{n} euro\n" for n in range(300))
    drafts = chunk(extract(content.encode(), "a.csv"))
    assert len(drafts) > 3
    assert all("| Article | Price |" in draft.text for draft in drafts)


def test_a_table_with_too_many_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_CELLS", 5)
    with pytest.raises(Unreadable, match="more than 5 cells"):
        extract(b"a,b\n1,2\n3,4\n", "a.csv")


def test_a_cell_without_end_is_refused() -> None:
    with pytest.raises(Unreadable, match="damaged"):
        extract(b'a,b\n1,"' + b"x" * 200_000, "a.csv")
