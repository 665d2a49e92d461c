"""A snapshot finds what could be found when it was taken, however the base changes; what is deleted leaves it, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.knowledge import selectors, snapshots
from apps.knowledge.models import ChunkTerms, ChunkVector
from apps.knowledge.services import documents
from apps.knowledge.services.snapshots import delete_snapshot, take_snapshot
from parley.errors import Invalid, NotFound
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]

OLD = b"# Prices\n\nThe Team plan costs 40 euros a month and has fifteen seats for everybody who works with you."
NEW = b"# Prices\n\nThe Team plan costs 55 euros a month and has fifteen seats for everybody who works with you."


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    made = make_base(tenant_a)
    index(tenant_a, add(tenant_a, made, "prices.md", OLD))
    return made


def _take(owner: TenantWithKey, base: Any, **values: str) -> Any:
    with tenant_tx(owner.tenant.id):
        return take_snapshot(knowledge_base_id=base.id, **values)


def _find(owner: TenantWithKey, base: Any, *snapshot_ids: Any) -> list[str]:
    with use_tenant(owner.tenant.id):
        found = selectors.search(
            knowledge_base_ids=[base.id], query="What does the Team plan cost?", snapshot_ids=snapshot_ids
        )
    return [passage.text for passage in found]


def _ended_rows(owner: TenantWithKey) -> int:
    with tenant_tx(owner.tenant.id):
        return sum(model.objects.exclude(valid_to=None).count() for model in (ChunkVector, ChunkTerms))


def test_a_snapshot_finds_the_old_text_and_the_base_the_new_one(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    """F-63."""
    before = _take(tenant_a, base, name="Spring")
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    after = _take(tenant_a, base)
    index(tenant_a, add(tenant_a, base, "terms.md", b"Nobody cancels the Team plan within the first month."))
    assert ["40 euros" in text for text in _find(tenant_a, base, before.id)] == [True]
    assert ["55 euros" in text for text in _find(tenant_a, base, after.id)] == [True]
    assert len(_find(tenant_a, base)) == 2
    assert (after.name, after.number) == ("Snapshot 2", 2)


def test_rows_that_no_snapshot_has_seen_are_not_kept(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    assert _ended_rows(tenant_a) == 0
    snapshot = _take(tenant_a, base)
    index(tenant_a, add(tenant_a, base, "prices.md", OLD))
    assert _ended_rows(tenant_a) == 2
    index(tenant_a, add(tenant_a, base, "prices.md", OLD + b" Really."))
    assert _ended_rows(tenant_a) == 2
    with tenant_tx(tenant_a.tenant.id):
        delete_snapshot(snapshot_id=snapshot.id)
    assert _ended_rows(tenant_a) == 0


def test_what_is_deleted_leaves_every_snapshot(
    tenant_a: TenantWithKey, base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-20."""
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    snapshot = _take(tenant_a, base)
    with tenant_tx(tenant_a.tenant.id):
        documents.delete_document(document_id=selectors.list_documents(knowledge_base_id=base.id)[0].id)
    assert _find(tenant_a, base, snapshot.id) == []
    with tenant_tx(tenant_a.tenant.id):
        assert [change.kind for change in snapshots.changes_since(snapshot)] == ["deleted"]


def test_changes_are_told_by_text(tenant_a: TenantWithKey, base: Any, add: Make, index: Make) -> None:
    snapshot = _take(tenant_a, base)
    index(tenant_a, add(tenant_a, base, "prices.md", OLD + b"\n"))
    with tenant_tx(tenant_a.tenant.id):
        assert snapshots.changes_since(snapshot) == [], "read anew, but nothing else is said"
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    index(tenant_a, add(tenant_a, base, "terms.md", b"Nobody cancels within the first month."))
    later = _take(tenant_a, base)
    with tenant_tx(tenant_a.tenant.id):
        changed, added = snapshots.changes_since(snapshot)
        assert snapshots.changes_since(snapshot, until=later) == [changed, added]
    assert (changed.kind, added.kind) == ("changed", "added")
    assert "55 euros" in changed.added[0]
    assert "40 euros" in changed.removed[0]
    assert (added.added, added.removed) == (("Nobody cancels within the first month.",), ())


def test_questions_show_what_would_be_found_otherwise(
    tenant_a: TenantWithKey, base: Any, add: Make, index: Make
) -> None:
    index(tenant_a, add(tenant_a, base, "pets.md", b"Dogs may come to the office on Fridays."))
    snapshot = _take(tenant_a, base)
    index(tenant_a, add(tenant_a, base, "prices.md", NEW))
    with use_tenant(tenant_a.tenant.id):
        with pytest.raises(Invalid):
            snapshots.compare_questions(snapshot, ["  "])
        (price,) = snapshots.compare_questions(snapshot, snapshots.questions_of("What is the price?\n\n"))
    assert not price.is_same
    assert any("40 euros" in passage.text for passage in price.then)
    assert any("55 euros" in passage.text for passage in price.now)


def test_names_are_unique_and_other_tenants_see_nothing(
    two_tenants: tuple[TenantWithKey, TenantWithKey], make_base: Make
) -> None:
    owner, stranger = two_tenants
    base = make_base(owner)
    snapshot = _take(owner, base, name="Spring")
    with pytest.raises(Invalid, match="already"):
        _take(owner, base, name="Spring")
    with tenant_tx(stranger.tenant.id):
        with pytest.raises(NotFound):
            take_snapshot(knowledge_base_id=base.id)
        with pytest.raises(NotFound):
            delete_snapshot(snapshot_id=snapshot.id)
