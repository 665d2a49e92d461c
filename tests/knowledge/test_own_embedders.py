"""A base may be embedded by a model of its own: built beside the old index, asked by its own vectors, paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.gateway.models import Model, UsageEntry
from apps.gateway.services import budgets
from apps.knowledge import selectors
from apps.knowledge.contracts import RetrievalSettings
from apps.knowledge.models import ChunkSketch, ChunkVector, SearchIndex
from apps.knowledge.services import chunks, rebuilding
from parley.db import uuid7
from parley.errors import Invalid
from parley.jobs.run import run_waiting
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])

REFUNDS = "Customers get their money back within 14 days."


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    made = make_base(tenant_a)
    index(tenant_a, add(tenant_a, made, "refunds.md", f"# Refunds\n\n{REFUNDS}".encode()))
    index(tenant_a, add(tenant_a, made, "hours.md", b"# Hours\n\nThe shop is open from nine to six."))
    return made


def _model(owner: TenantWithKey, fake: FakeProvider, name: str = "fake-64dim", price: str = "2") -> Model:
    with tenant_tx(owner.tenant.id):
        provider = add_provider(base_url=fake.base_url)
        return add_model(provider, name, kind="embed", input_price=Decimal(price), output_price=None)


def _build(owner: TenantWithKey, base: Any, model: Model, chunk_tokens: int = 200) -> SearchIndex:
    with tenant_tx(owner.tenant.id):
        built = rebuilding.start_rebuild(
            knowledge_base_id=base.id, chunk_tokens=chunk_tokens, embedding_model_id=model.id
        )
    with use_tenant(owner.tenant.id):
        run_waiting(rebuilding.BUILD_JOB, built.id)
    with tenant_tx(owner.tenant.id):
        built.refresh_from_db()
    return built


def _look_up(owner: TenantWithKey, *bases: Any, query: str = REFUNDS, **options: Any) -> Any:
    with use_tenant(owner.tenant.id):
        return selectors.look_up(knowledge_base_ids=[base.id for base in bases], query=query, **options)


def test_another_model_takes_over_with_vectors_of_its_own_length(
    tenant_a: TenantWithKey, base: Any, fake: FakeProvider
) -> None:
    """B-10: indexing and every question are in the ledger, as search."""
    built = _build(tenant_a, base, _model(tenant_a, fake))
    assert (built.state, built.embedding_model, built.dimensions) == ("active", "fake-64dim", 64)
    with tenant_tx(tenant_a.tenant.id):
        lengths = set(ChunkVector.objects.filter(search_index=built).values_list("dimensions", flat=True))
        assert lengths == {64}
        assert not ChunkSketch.objects.exists()
        before = UsageEntry.objects.filter(purpose="embed").count()
        assert before >= 2
    outcome = _look_up(tenant_a, base)
    assert not outcome.by_words_alone
    assert outcome.passages[0].title == "Refunds"
    assert outcome.passages[0].similarity is not None
    with tenant_tx(tenant_a.tenant.id):
        assert UsageEntry.objects.filter(purpose="embed").count() == before + 1


@pytest.mark.parametrize("name", ["fake-64dim-500", "fake-64dim-429", "fake-64dim-refuse"])
def test_a_provider_that_is_down_leaves_the_words_and_says_so(
    tenant_a: TenantWithKey, base: Any, fake: FakeProvider, name: str
) -> None:
    model = _model(tenant_a, fake)
    _build(tenant_a, base, model)
    with tenant_tx(tenant_a.tenant.id):
        model.name = name
        model.save()
    outcome = _look_up(tenant_a, base, query="money back")
    assert outcome.by_words_alone
    assert outcome.passages[0].title == "Refunds"
    assert outcome.passages[0].similarity is None
    client = Client()
    shown = client.post(
        f"/api/v1/knowledge-bases/{base.id}/search/",
        {"query": "money back"},
        content_type="application/json",
        headers={"authorization": f"Bearer {tenant_a.token}"},
    )
    assert (shown.status_code, shown.json()["by_words_alone"]) == (200, True)


def test_no_money_and_no_model_leave_the_words_too(tenant_a: TenantWithKey, base: Any, fake: FakeProvider) -> None:
    """B-10: nothing is sent, and nobody who asks sees an error."""
    model = _model(tenant_a, fake)
    _build(tenant_a, base, model)
    with tenant_tx(tenant_a.tenant.id):
        budgets.set_limit(limit=Decimal(0))
    calls = len(fake.calls)
    assert _look_up(tenant_a, base, query="money back").by_words_alone
    with tenant_tx(tenant_a.tenant.id):
        model.delete()
    assert _look_up(tenant_a, base, query="money back").by_words_alone
    assert len(fake.calls) == calls


def test_bases_of_different_models_are_searched_together(
    tenant_a: TenantWithKey, base: Any, fake: FakeProvider, make_base: Make, add: Make, index: Make
) -> None:
    """Each is compared with the question as its own model sees it; spreading compares nothing across models."""
    other = make_base(tenant_a, "Local")
    index(tenant_a, add(tenant_a, other, "parking.md", b"# Parking\n\nVisitors leave their car in the yard."))
    _build(tenant_a, base, _model(tenant_a, fake))
    found = _look_up(tenant_a, base, other, query="cars", settings=RetrievalSettings(diversity=0.5)).passages
    assert {passage.title for passage in found} == {"Parking", "Refunds", "Hours"}
    assert all(passage.similarity is not None for passage in found)


def test_chunks_changed_by_hand_move_over_and_are_embedded_anew(
    tenant_a: TenantWithKey, base: Any, fake: FakeProvider
) -> None:
    with tenant_tx(tenant_a.tenant.id):
        chunk = next(iter(selectors.list_chunks(document_id=selectors.list_documents(knowledge_base_id=base.id)[1].id)))
    with use_tenant(tenant_a.tenant.id), tenant_tx():
        chunks.edit_chunk(chunk_id=chunk.id, text="Refunds take 30 days now.")
    built = _build(tenant_a, base, _model(tenant_a, fake))
    assert built.state == "active"
    with tenant_tx(tenant_a.tenant.id):
        assert set(ChunkVector.objects.filter(search_index=built).values_list("dimensions", flat=True)) == {64}
        assert not ChunkSketch.objects.filter(search_index=built).exists()
    assert "30 days" in _look_up(tenant_a, base, query="refunds days").passages[0].text


def test_a_model_that_cannot_be_used_leaves_the_old_index_answering(
    tenant_a: TenantWithKey, base: Any, fake: FakeProvider
) -> None:
    fake.script("huge", Script(dimensions=4_000))
    built = _build(tenant_a, base, _model(tenant_a, fake, "huge"))
    assert built.state == "failed"
    assert "3,072" in built.error
    assert _look_up(tenant_a, base).passages[0].title == "Refunds"


def test_only_embedding_models_that_are_switched_on(tenant_a: TenantWithKey, base: Any, fake: FakeProvider) -> None:
    chat = None
    with tenant_tx(tenant_a.tenant.id):
        chat = add_model(add_provider("Chat", base_url=fake.base_url), "fake")
    for model_id in (chat.id, uuid7()):
        with tenant_tx(tenant_a.tenant.id), pytest.raises(Invalid, match="embedding model"):
            rebuilding.start_rebuild(knowledge_base_id=base.id, chunk_tokens=200, embedding_model_id=model_id)
