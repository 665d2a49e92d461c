"""Chunks changed by hand: what is found afterwards, what stays readable, and who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from apps.knowledge import selectors
from apps.knowledge.models import Chunk, ChunkSketch, ChunkVector, IndexedDocument, SearchIndex, Snapshot
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.words import find_by_words
from apps.knowledge.services import chunks, documents
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files

Make = Callable[..., Any]


@pytest.fixture
def indexed(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    """A document with several chunks, one of them about ports."""
    return index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN))


def _live(owner: TenantWithKey, document: Any) -> list[Chunk]:
    with tenant_tx(owner.tenant.id):
        return list(selectors.list_chunks(document_id=document.id))


def _found(owner: TenantWithKey, document: Any, query: str) -> list[str]:
    with use_tenant(owner.tenant.id):
        return [
            passage.text
            for passage in selectors.search(knowledge_base_ids=[document.knowledge_base_id], query=query, limit=20)
        ]


def _counts(owner: TenantWithKey, document: Any) -> tuple[int, int]:
    with tenant_tx(owner.tenant.id):
        placed = IndexedDocument.objects.get(document_id=document.id)
        return placed.chunk_count, selectors.get_document(document.id).chunk_count


def test_an_edit_is_found_at_once_and_the_old_words_never(tenant_a: TenantWithKey, indexed: Any) -> None:
    """The new words by word and by rough meaning when the transaction is over; the old chunk stays readable."""
    old = next(chunk for chunk in _live(tenant_a, indexed) if "8000" in chunk.text)
    with tenant_tx(tenant_a.tenant.id):
        new = chunks.edit_chunk(chunk_id=old.id, text="The server listens on port 9123, called zwiebelport.")
    assert (new.origin, new.ordinal, new.replaces_id) == ("edited", old.ordinal, old.id)
    assert new.edition > old.edition
    assert "zwiebelport" in _found(tenant_a, indexed, "zwiebelport")[0]
    assert not any("8000" in text for text in _found(tenant_a, indexed, "which port, 8000?"))
    assert [chunk.ordinal for chunk in _live(tenant_a, indexed)] == list(range(len(_live(tenant_a, indexed))))
    with tenant_tx(tenant_a.tenant.id):
        kept = selectors.get_chunk(old.id)
        assert (kept.text, kept.valid_to) == (old.text, new.valid_from)
        assert ChunkSketch.objects.filter(chunk_id=new.id).count() == 1
    with use_tenant(tenant_a.tenant.id):
        chunks.complete_document_vectors(document_id=indexed.id)
        chunks.complete_document_vectors(document_id=indexed.id)
    with tenant_tx(tenant_a.tenant.id):
        assert ChunkVector.objects.filter(chunk_id=new.id).count() == 1
        assert not ChunkSketch.objects.filter(chunk_id=new.id).exists()


def test_the_files_words_come_back(tenant_a: TenantWithKey, indexed: Any) -> None:
    """Restoring takes the extracted words, however often they were edited."""
    old = _live(tenant_a, indexed)[0]
    with tenant_tx(tenant_a.tenant.id):
        edited = chunks.edit_chunk(chunk_id=old.id, text="Quite other words.")
        edited = chunks.edit_chunk(chunk_id=edited.id, text="Other words again.")
        restored = chunks.restore_chunk(chunk_id=edited.id)
        assert (restored.text, restored.origin) == (old.text, "extracted")
        # The vector of the replaced chunk went with it: nobody needs it, so the words are sketched anew.
        assert chunks.restore_chunk(chunk_id=restored.id).id == restored.id
    texts = _found(tenant_a, indexed, old.text[:200])
    assert texts.count(old.text) == 1
    assert "Other words again." not in texts


def test_a_chunk_turned_off_is_not_found_until_it_is_turned_on(tenant_a: TenantWithKey, indexed: Any) -> None:
    """L-20: the next query does not find it; it stays visible in its document."""
    before = _counts(tenant_a, indexed)
    chunk = next(chunk for chunk in _live(tenant_a, indexed) if "8000" in chunk.text)
    with tenant_tx(tenant_a.tenant.id):
        chunks.disable_chunk(chunk_id=chunk.id)
        assert chunks.disable_chunk(chunk_id=chunk.id).is_enabled is False
    assert not any("8000" in text for text in _found(tenant_a, indexed, "port 8000"))
    assert [row.is_enabled for row in _live(tenant_a, indexed)].count(False) == 1
    assert _counts(tenant_a, indexed) == (before[0] - 1, before[1] - 1)
    with tenant_tx(tenant_a.tenant.id):
        edited = chunks.edit_chunk(chunk_id=chunk.id, text=chunk.text + " Off means off: quittenrot.")
        assert edited.is_enabled is False
    assert not any("quittenrot" in text for text in _found(tenant_a, indexed, "quittenrot"))
    with tenant_tx(tenant_a.tenant.id):
        enabled = chunks.enable_chunk(chunk_id=edited.id)
    assert enabled.id != edited.id
    assert "quittenrot" in _found(tenant_a, indexed, "quittenrot")[0]
    assert _counts(tenant_a, indexed) == before


def test_a_snapshot_goes_on_finding_what_it_found(tenant_a: TenantWithKey, indexed: Any) -> None:
    """Edits and switches leave an earlier revision as it was, each chunk once."""
    chunk = next(chunk for chunk in _live(tenant_a, indexed) if "8000" in chunk.text)
    with tenant_tx(tenant_a.tenant.id):
        index = SearchIndex.objects.get(knowledge_base_id=indexed.knowledge_base_id)
        revision = chunk.valid_from
        Snapshot.objects.create(
            knowledge_base_id=indexed.knowledge_base_id, search_index=index, number=1, revision=revision, name="then"
        )
        off = chunks.disable_chunk(chunk_id=chunk.id)
        on = chunks.enable_chunk(chunk_id=off.id)
        chunks.edit_chunk(chunk_id=on.id, text="Port nine thousand.")
        region = Region((), total=10, pinned=((index.id, revision),))
        hits = [hit.chunk_id for hit in find_by_words(region=region, query="8000", limit=10)]
        assert hits == [chunk.id]
        now = Region((index.id,), total=10)
        assert find_by_words(region=now, query="8000", limit=10) == []


def test_an_added_chunk_is_found_last_and_can_be_removed(tenant_a: TenantWithKey, indexed: Any) -> None:
    before = _live(tenant_a, indexed)
    with tenant_tx(tenant_a.tenant.id):
        added = chunks.add_chunk(document_id=indexed.id, text="Call the kiwitelefon.", headings=["Help", "Phone"])
        second = chunks.add_chunk(document_id=indexed.id, text="Or write a mangobrief.")
    assert (added.origin, added.ordinal, second.ordinal) == ("added", len(before), len(before) + 1)
    assert "kiwitelefon" in _found(tenant_a, indexed, "kiwitelefon")[0]
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(Conflict, match="added by hand"):
            chunks.restore_chunk(chunk_id=added.id)
        with pytest.raises(Conflict, match="Turn this one off"):
            chunks.remove_chunk(chunk_id=before[0].id)
        chunks.remove_chunk(chunk_id=added.id)
    assert not any("kiwitelefon" in text for text in _found(tenant_a, indexed, "kiwitelefon"))
    assert _counts(tenant_a, indexed) == (len(before) + 1, len(before) + 1)


def test_what_cannot_be_changed_says_why(tenant_a: TenantWithKey, indexed: Any) -> None:
    chunk = _live(tenant_a, indexed)[0]
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(Invalid, match="needs words"):
            chunks.edit_chunk(chunk_id=chunk.id, text=" \n ")
        with pytest.raises(Invalid, match="500 tokens"):
            chunks.edit_chunk(chunk_id=chunk.id, text="word " * 600)
        with pytest.raises(NotFound):
            chunks.edit_chunk(chunk_id=uuid4(), text="x")
        chunks.edit_chunk(chunk_id=chunk.id, text="New words.")
        with pytest.raises(Conflict, match="replaced or removed"):
            chunks.edit_chunk(chunk_id=chunk.id, text="Too late.")
        documents.retry_document(document_id=indexed.id)
        with pytest.raises(Conflict, match="being indexed"):
            chunks.add_chunk(document_id=indexed.id, text="Not now.")


def test_older_versions_stay_readable_and_five_files_are_kept(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """An answer of last year still shows the text that it was based on."""
    base = make_base(tenant_a)
    for number in range(1, 8):
        document = index(tenant_a, add(tenant_a, base, "a.txt", f"Version number {number} of the rule.".encode()))
    with tenant_tx(tenant_a.tenant.id):
        versions = list(selectors.list_versions(document_id=document.id))
        assert [version.number for version in versions] == [7, 6, 5, 4, 3, 2, 1]
        assert [version.has_original for version in versions] == [True] * 5 + [False] * 2
        first = list(selectors.list_chunks_of_version(document_version_id=versions[-1].id))
        assert [chunk.text for chunk in first] == ["Version number 1 of the rule."]
        assert selectors.get_original(document_id=document.id, number=3)[1] == b"Version number 3 of the rule."
        with pytest.raises(NotFound, match="no longer kept"):
            selectors.get_original(document_id=document.id, number=1)
        changed = chunks.edit_chunk(chunk_id=selectors.list_chunks(document_id=document.id)[0].id, text="Mended.")
        now = list(selectors.list_chunks_of_version(document_version_id=versions[0].id))
        assert [chunk.id for chunk in now] == [changed.id]
