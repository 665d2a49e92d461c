"""What people changed in chunks survives the next reading, and the next version where the file says the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.enums import ChunkOrigin
from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.services import chunks, documents
from apps.knowledge.services.carrying import HandChange, carry_over, lost_sentence
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import reload

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


def _guide(*, seats: int = 15, pets: str = "Dogs") -> bytes:
    filler = "It was agreed upon in the spring and is read aloud once a year in front of all who work here. " * 3
    parts = [("Seats", f"The plan has {seats} seats."), ("Pets", f"{pets} may come."), ("Waste", "Glass goes left.")]
    return ("# Guide\n\n" + "".join(f"## {head}\n\n{text} {filler}\n\n" for head, text in parts)).encode()


def _change(text: str, file_text: str, origin: ChunkOrigin, *, is_enabled: bool = True) -> HandChange:
    return HandChange(text, (), "part", 3, origin, is_enabled, file_text)


def test_changes_are_made_again_where_the_file_says_the_same() -> None:
    drafts = [ChunkDraft(n, 0, text, ("H",), "part", 2) for n, text in enumerate(["one", "two", "two"])]
    changes = [
        _change("ONE", "one", ChunkOrigin.EDITED),
        _change("two", "two", ChunkOrigin.EXTRACTED, is_enabled=False),
        _change("gone", "zero", ChunkOrigin.EDITED),
        _change("more", "", ChunkOrigin.ADDED),
    ]
    carried, lost = carry_over(drafts, changes)
    assert [(draft.ordinal, draft.text, draft.origin, draft.is_enabled) for draft in carried] == [
        (0, "ONE", "edited", True),
        (1, "two", "extracted", False),
        (2, "two", "extracted", True),
        (3, "more", "added", True),
    ]
    assert lost == 1
    assert carried[0].file_text == "one"
    assert lost_sentence(0) == ""
    assert lost_sentence(2).startswith("2 edited chunks were not carried over")


def test_edits_survive_reading_anew_and_two_more_versions(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    document = index(tenant_a, add(tenant_a, base, "guide.md", _guide()))

    def now() -> dict[str, tuple[str, bool]]:
        with tenant_tx(tenant_a.tenant.id):
            listed = selectors.list_chunks(document_id=document.id)
            return {" ".join(c.text.split()[:4]): (c.origin, c.is_enabled) for c in listed}

    with tenant_tx(tenant_a.tenant.id):
        seats, _, waste = list(selectors.list_chunks(document_id=document.id))
        chunks.edit_chunk(chunk_id=seats.id, text="Fifteen people may work with the plan.")
        chunks.disable_chunk(chunk_id=waste.id)
        chunks.add_chunk(document_id=document.id, text="Ask Ada for more seats.")
    expected = {
        "Fifteen people may work": ("edited", True),
        "Dogs may come. It": ("extracted", True),
        "Glass goes left. It": ("extracted", False),
        "Ask Ada for more": ("added", True),
    }
    assert now() == expected
    with tenant_tx(tenant_a.tenant.id):
        documents.retry_document(document_id=document.id)
    read = index(tenant_a, document)
    assert (read.status, read.chunk_count, read.notice) == ("indexed", 3, "")
    assert now() == expected
    index(tenant_a, add(tenant_a, base, "guide.md", _guide(pets="Cats")))
    expected["Cats may come. It"] = expected.pop("Dogs may come. It")
    assert now() == expected
    index(tenant_a, add(tenant_a, base, "guide.md", _guide(pets="Birds", seats=20)))
    after = reload(tenant_a, document.id)
    assert "1 edited chunk was not carried over" in after.notice
    assert now() == {
        "The plan has 20": ("extracted", True),
        "Birds may come. It": ("extracted", True),
        "Glass goes left. It": ("extracted", False),
        "Ask Ada for more": ("added", True),
    }


def test_a_carried_edit_can_be_taken_back(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> None:
    base = make_base(tenant_a)
    document = index(tenant_a, add(tenant_a, base, "guide.md", _guide()))
    with tenant_tx(tenant_a.tenant.id):
        first = selectors.list_chunks(document_id=document.id)[0]
        chunks.edit_chunk(chunk_id=first.id, text="Fifteen people may work with the plan.")
    index(tenant_a, add(tenant_a, base, "guide.md", _guide(pets="Cats")))
    with tenant_tx(tenant_a.tenant.id):
        carried = selectors.list_chunks(document_id=document.id)[0]
        assert carried.origin == "edited"
        restored = chunks.restore_chunk(chunk_id=carried.id)
    assert restored.text == first.text
