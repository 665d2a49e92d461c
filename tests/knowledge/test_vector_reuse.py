"""Equal text is embedded once per tenant: a corrected typo costs one passage, not the whole document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.knowledge import selectors
from apps.knowledge.services import passage_vectors
from parley.tenancy import use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import count_rows

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Any]


def _handbook(*, last: str) -> bytes:
    sections = [f"## Subject {number}\n\nRule {number} of the house is kept by everybody.\n" for number in range(12)]
    filler = "It was agreed upon in the spring and is read aloud once a year in front of all who work here. " * 8
    return ("# Handbook\n\n" + "\n".join(f"{section}\n{filler}\n" for section in sections) + f"\n{last}\n").encode()


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that was sent to the embedding model."""
    sent: list[str] = []
    real = passage_vectors.embeddings.embed

    def watch(*, texts: Any, **kwargs: Any) -> list[list[float]]:
        if kwargs.get("kind") == "passage":
            sent.extend(texts)
        return real(texts=texts, **kwargs)

    monkeypatch.setattr(passage_vectors.embeddings, "embed", watch)
    return sent


def test_an_edit_embeds_only_what_changed(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, embedded: list[str]
) -> None:
    base = make_base(tenant_a)
    first = index(tenant_a, add(tenant_a, base, "handbook.md", _handbook(last="The office opens at nine.")))
    assert len(embedded) == first.chunk_count >= 12
    embedded.clear()
    second = index(tenant_a, add(tenant_a, base, "handbook.md", _handbook(last="The office opens at seven sharp.")))
    assert second.status == "indexed"
    assert second.version_number == 2
    assert len(embedded) == 1
    assert "seven sharp" in embedded[0]
    assert set(count_rows(tenant_a, second.id).values()) == {second.chunk_count}
    with use_tenant(tenant_a.tenant.id):
        best = selectors.search(knowledge_base_ids=[base.id], query="When does the office open?", limit=3)
    assert any("seven sharp" in passage.text for passage in best)


def test_the_same_text_in_another_base_is_not_embedded_again_but_another_tenants_is(
    tenant_a: TenantWithKey, tenant_b: TenantWithKey, make_base: Make, add: Make, index: Make, embedded: list[str]
) -> None:
    content = _handbook(last="The office opens at nine.")
    first = index(tenant_a, add(tenant_a, make_base(tenant_a), "handbook.md", content))
    embedded.clear()
    again = index(tenant_a, add(tenant_a, make_base(tenant_a, "Copy"), "handbook.md", content))
    assert again.status == "indexed"
    assert embedded == []
    foreign = index(tenant_b, add(tenant_b, make_base(tenant_b), "handbook.md", content))
    assert len(embedded) == foreign.chunk_count == first.chunk_count
