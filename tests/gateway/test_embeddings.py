"""Embedding calls pass the same gate as any other (B-10)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from apps.gateway import selectors
from apps.gateway.models import Hold, Model, Provider, UsageEntry
from apps.gateway.services import budgets, embeddings
from parley.db.encrypted import EncryptedText
from parley.errors import Invalid, OverBudget, Unavailable
from parley.llm import EmbedRequest, EmbedResult, LlmError, Usage
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _tenant() -> Iterator[None]:
    with use_tenant(make_tenant("Acme").id):
        yield


class Embedder:
    """Stands in for the model; remembers whether a reservation was there when it was called."""

    def __init__(self, failure: LlmError | None = None) -> None:
        self.failure = failure
        self.held: list[int] = []

    def __call__(self, request: EmbedRequest) -> EmbedResult:
        with tenant_tx():
            self.held.append(Hold.objects.filter(state="held").count())
        if self.failure is not None:
            raise self.failure
        return EmbedResult([[1.0, 0.0] for _ in request.texts], Usage(100 * len(request.texts), 0))


def use(monkeypatch: pytest.MonkeyPatch, embedder: Embedder, *, price: str = "0") -> Embedder:
    monkeypatch.setattr(embeddings, "call_embedder", embedder)
    with tenant_tx():
        for model in Model.objects.filter(kind="embed"):
            model.input_price, model.output_price = Decimal(price), Decimal(0)
            model.save()
    return embedder


def books() -> tuple[Decimal, Decimal, list[Any]]:
    with tenant_tx():
        status = selectors.budget_status()
        return status.spent, status.held, list(UsageEntry.objects.values_list("purpose", "input_tokens", "cost"))


def test_passages_are_reserved_before_and_settled_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """B-10: the reservation exists when the model is called, the ledger has one line afterwards."""
    embedder = use(monkeypatch, Embedder(), price="2")
    assert len(embeddings.embed(texts=["a", "b"], kind="passage")) == 2
    assert embedder.held == [1]
    assert books() == (Decimal("0.0004"), 0, [("embed", 200, Decimal("0.0004"))])


def test_questions_to_a_priced_model_are_reserved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """B-10: only what is free goes without."""
    assert use(monkeypatch, Embedder(), price="2").held == []
    embedder = use(monkeypatch, Embedder(), price="2")
    embeddings.embed(texts=["a question"], kind="query")
    assert embedder.held == [1]
    free = use(monkeypatch, Embedder(), price="0")
    embeddings.embed(texts=["a question"], kind="query")
    assert free.held == [0]
    assert len(books()[2]) == 1


def test_nothing_is_embedded_over_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """B-10: a refused reservation calls nothing."""
    embedder = use(monkeypatch, Embedder(), price="2")
    with tenant_tx():
        budgets.set_limit(limit=Decimal(0))
    with pytest.raises(OverBudget):
        embeddings.embed(texts=["a"], kind="passage")
    assert embedder.held == []


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("apps.gateway.services.embeddings.time.sleep", waited.append)
    return waited


class Flaky(Embedder):
    """Turns the first calls away."""

    def __init__(self, *failures: LlmError) -> None:
        super().__init__()
        self.failures = list(failures)
        self.targets: list[Any] = []
        self.sizes: list[int] = []

    def __call__(self, request: EmbedRequest) -> EmbedResult:
        self.failure = self.failures.pop(0) if self.failures else None
        self.targets.append(request.target)
        self.sizes.append(len(request.texts))
        super().__call__(request)
        return EmbedResult([[3.0, 4.0] for _ in request.texts], Usage(100 * len(request.texts), 0))


def _paid_model(name: str = "text-embedding-3-small") -> Model:
    with tenant_tx():
        provider = Provider.objects.create(
            name="OpenAI",
            kind="openai",
            base_url="https://embeddings.example.com/v1",
            api_key=EncryptedText.seal("sk-test"),
        )
        model: Model = Model.objects.create(
            provider=provider, name=name, label="Small", kind="embed", input_price=Decimal(2), output_price=Decimal(0),
            context_tokens=8_000, max_output_tokens=0,
        )  # fmt: skip
        return model


def test_any_embedding_model_can_be_asked_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """B-10: reserved and settled at its own price; its vectors come back with length 1."""
    embedder = Flaky()
    monkeypatch.setattr(embeddings, "call_embedder", embedder)
    model = _paid_model()
    assert embeddings.embed(texts=["a"], model_id=model.id) == [[pytest.approx(0.6), pytest.approx(0.8)]]
    (target,) = embedder.targets
    assert (target.backend, target.model) == ("openai", "text-embedding-3-small")
    assert target.base_url == "https://embeddings.example.com/v1"
    assert target.api_key == "sk-test"
    assert embedder.held == [1]
    assert books() == (Decimal("0.0002"), 0, [("embed", 100, Decimal("0.0002"))])
    assert embeddings.current_model(model.id) == "text-embedding-3-small"


def test_a_model_that_was_switched_off_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of another model would be compared with what they have nothing in common with."""
    monkeypatch.setattr(embeddings, "call_embedder", Flaky())
    model = _paid_model()
    with tenant_tx():
        Model.objects.filter(id=model.id).update(is_enabled=False)
    with pytest.raises(Invalid, match="switched off"):
        embeddings.embed(texts=["a"], model_id=model.id)


def test_passages_wait_for_a_rate_limit_and_cost_once(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    """B-10: each repeat has a reservation of its own; what was turned away is given back."""
    limited = LlmError("rate_limited", "Too many calls.", retry_after=7.0)
    embedder = Flaky(limited, limited)
    monkeypatch.setattr(embeddings, "call_embedder", embedder)
    embeddings.embed(texts=["a"], model_id=_paid_model().id)
    assert embedder.held == [1, 1, 1]
    assert len(pauses) == 2
    assert min(pauses) >= 7.0
    assert books() == (Decimal("0.0002"), 0, [("embed", 100, Decimal("0.0002"))])


def test_a_question_does_not_wait_long(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setattr(
        embeddings, "call_embedder", Flaky(LlmError("rate_limited", "Too many calls.", retry_after=7.0))
    )
    with pytest.raises(Unavailable, match="Too many"):
        embeddings.embed(texts=["a"], kind="query", model_id=_paid_model().id)
    assert pauses == []


def test_long_lists_go_in_several_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = Flaky()
    monkeypatch.setattr(embeddings, "call_embedder", embedder)
    assert len(embeddings.embed(texts=["word"] * 300)) == 300
    assert embedder.sizes == [128, 128, 44]


@pytest.mark.parametrize(("kind", "is_charged"), [("unreachable", False), ("timeout", True)])
def test_a_failed_call_leaves_nothing_held(monkeypatch: pytest.MonkeyPatch, kind: Any, is_charged: bool) -> None:
    """B-04: given back when it was turned away, charged when it may have been read."""
    use(monkeypatch, Embedder(LlmError(kind, "The embedder is away.")), price="2")
    with pytest.raises(Unavailable, match="away"):
        embeddings.embed(texts=["some words"], kind="passage")
    spent, held, _ = books()
    assert held == 0
    assert (spent > 0) == is_charged


def test_the_built_in_model_gives_unit_vectors_of_its_own_size() -> None:
    """The whole path once, with the real model."""
    (vector,) = embeddings.embed(texts=["How do I embed the widget?"], kind="query")
    assert len(vector) == 384
    assert sum(value * value for value in vector) == pytest.approx(1.0, abs=1e-3)
    assert embeddings.embed(texts=[]) == []


def test_an_address_that_turned_private_is_not_called(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """L-09: asked again right before the call, as for answers."""
    embedder = Flaky()
    monkeypatch.setattr(embeddings, "call_embedder", embedder)
    model = _paid_model()
    with tenant_tx():
        Provider.objects.update(base_url="http://127.0.0.1:9/v1")
    settings.PARLEY_ALLOW_PRIVATE_PROVIDERS = False
    with pytest.raises(Unavailable, match="private network"):
        embeddings.embed(texts=["a"], model_id=model.id)
    assert embedder.targets == []
    assert books() == (0, 0, [])
