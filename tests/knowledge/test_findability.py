"""A document is findable at once by words and a rough meaning; its own vectors follow without a gap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.services import indexing, passage_vectors
from parley.errors import OverBudget
from parley.tenancy import use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import count_rows, give_up_lease, reload

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]

PETS = b"""# House rules

## Animals

Cats and dogs may live in the flats if the neighbours agree. Whoever keeps one tells the office by the end of the
month and cleans the stairs whenever it is needed.

## Waste

Bottles go into the green container in the yard, paper goes into the blue one beside it, and everything else goes
into the grey bins that are emptied each Thursday morning.
"""


class Killed(BaseException):
    """A worker's sudden end."""


def _find(owner: TenantWithKey, base: Any, query: str) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query, limit=3)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that was sent to the embedding model as a passage."""
    sent: list[str] = []
    real = passage_vectors.embeddings.embed

    def watch(*, texts: Any, kind: str = "passage", **kwargs: Any) -> list[list[float]]:
        if kind == "passage":
            sent.extend(texts)
        return real(texts=texts, kind=kind, **kwargs)

    monkeypatch.setattr(passage_vectors.embeddings, "embed", watch)
    return sent


def test_words_and_a_rough_meaning_find_it_before_its_vectors_are_there(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tenant_a)
    document = add(tenant_a, base, "rules.md", PETS)
    with monkeypatch.context() as patch:
        patch.setattr(indexing, "complete_vectors", lambda *args, **kwargs: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            index(tenant_a, document)
    assert reload(tenant_a, document.id).status == "embedding"
    assert count_rows(tenant_a, document.id)["ChunkVector"] == 0
    assert _find(tenant_a, base, "green container")[0].headings[-1] == "Waste"
    pets = _find(tenant_a, base, "puppy")[0]
    assert pets.headings[-1] == "Animals"
    assert pets.similarity is not None
    assert not pets.matches_words


def test_whoever_goes_on_embeds_only_what_is_missing(
    tenant_a: TenantWithKey,
    make_base: Make,
    add: Make,
    index: Make,
    embedded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C-09: committed batches are never embedded again, and the file is not read again."""
    document = add(tenant_a, make_base(tenant_a), "long.md", files.long_markdown(90))
    real = passage_vectors.embeddings.embed
    batches = 0

    def die_in_the_third(**kwargs: Any) -> list[list[float]]:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise Killed
        return real(**kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(passage_vectors.embeddings, "embed", die_in_the_third)
        with pytest.raises(Killed):
            index(tenant_a, document)
    half = reload(tenant_a, document.id)
    assert half.status == "embedding"
    assert 0 < count_rows(tenant_a, document.id)["ChunkVector"] < half.chunk_count
    monkeypatch.setattr(indexing, "extract_safely", lambda *args: pytest.fail("The file was read again."))
    give_up_lease(tenant_a, document)
    done = index(tenant_a, document)
    assert done.status == "indexed"
    assert set(count_rows(tenant_a, document.id).values()) == {done.chunk_count}
    assert len(embedded) == len(set(embedded)) == done.chunk_count


def test_without_money_for_vectors_the_words_go_on_finding_it(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tenant_a)
    document = add(tenant_a, base, "rules.md", PETS)

    def refuse(**kwargs: Any) -> list[list[float]]:
        raise OverBudget("The budget for embedding is used up.")

    with monkeypatch.context() as patch:
        patch.setattr(passage_vectors.embeddings, "embed", refuse)
        failed = index(tenant_a, document)
    assert failed.status == "failed"
    assert failed.error.startswith("The budget for embedding is used up. Until")
    assert failed.chunk_count > 0
    assert _find(tenant_a, base, "green container")[0].headings[-1] == "Waste"


def test_a_version_that_cannot_be_read_leaves_the_older_one_found(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "rules.md", PETS))
    broken = add(tenant_a, base, "rules.md", PETS + b"\nMore.")
    monkeypatch.setattr(indexing, "chunk", lambda extracted, **_: [])
    failed = index(tenant_a, broken)
    assert failed.status == "failed"
    assert failed.error.endswith("Its older version is still found.")
    assert _find(tenant_a, base, "green container")[0].headings[-1] == "Waste"
