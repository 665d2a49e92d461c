"""Rerank calls pass the same gate as any other (B-10), once and with a short patience."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from apps.gateway import selectors
from apps.gateway.models import Model, UsageEntry
from apps.gateway.services import budgets
from apps.gateway.services.reranking import rerank
from parley.db import uuid7
from parley.errors import Invalid, OverBudget, Unavailable
from parley.llm.fake import FakeProvider
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import make_tenant
from tests.gateway.choices import add_model, add_provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _tenant() -> Iterator[None]:
    with use_tenant(make_tenant("Acme").id):
        yield


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def _model(fake: FakeProvider, name: str = "fake", price: str = "2") -> Model:
    with tenant_tx():
        return add_model(
            add_provider(base_url=fake.base_url), name, kind="rerank", input_price=Decimal(price), output_price=None
        )


def _books() -> tuple[Decimal, Decimal, list[str]]:
    with tenant_tx():
        status = selectors.budget_status()
        return status.spent, status.held, list(UsageEntry.objects.values_list("purpose", flat=True))


def test_a_call_is_paid_for_under_a_purpose_of_its_own(fake: FakeProvider) -> None:
    """B-10"""
    scores = rerank(question="refunds", texts=["about refunds", "about parking"], model_id=_model(fake).id)
    assert scores[0] > scores[1]
    spent, held, purposes = _books()
    assert spent > 0
    assert (held, purposes) == (Decimal(0), ["rerank"])


def test_nothing_is_sent_over_budget(fake: FakeProvider) -> None:
    """B-10: a refused reservation calls nothing."""
    model = _model(fake)
    with tenant_tx():
        budgets.set_limit(limit=Decimal(0))
    with pytest.raises(OverBudget):
        rerank(question="refunds", texts=["a"], model_id=model.id)
    assert fake.calls == []


@pytest.mark.parametrize(("fault", "is_charged"), [("429", False), ("500", True), ("hang-first", True)])
def test_a_failed_call_is_not_repeated_and_leaves_nothing_held(
    fake: FakeProvider, fault: str, is_charged: bool
) -> None:
    """B-04"""
    model = _model(fake, f"fake-{fault}")
    with pytest.raises(Unavailable):
        rerank(question="refunds", texts=["some words"], model_id=model.id, timeout_seconds=0.3)
    spent, held, _ = _books()
    assert (len(fake.calls), held, spent > 0) == (1, Decimal(0), is_charged)


def test_only_rerank_models_that_are_switched_on(fake: FakeProvider) -> None:
    model = _model(fake)
    assert (model.max_output_tokens, model.output_price) == (0, Decimal(0))
    with tenant_tx():
        Model.objects.filter(id=model.id).update(is_enabled=False)
    for model_id in (model.id, uuid7()):
        with pytest.raises(Invalid, match="rerank model"):
            rerank(question="refunds", texts=["a"], model_id=model_id)


def test_an_address_that_turned_private_is_not_called(fake: FakeProvider, settings: Any) -> None:
    """L-09: asked again right before the call, as for answers."""
    model = _model(fake)
    settings.PARLEY_ALLOW_PRIVATE_PROVIDERS = False
    with pytest.raises(Unavailable, match="private network"):
        rerank(question="refunds", texts=["a"], model_id=model.id)
    assert fake.calls == []
    assert _books() == (Decimal(0), Decimal(0), [])
