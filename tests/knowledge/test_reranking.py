"""Reranking puts the best candidates in another order and never stands in the way of an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.gateway.services import budgets
from apps.knowledge import selectors
from apps.knowledge.contracts import LOCAL_RERANKER, NO_RERANKER, Explanation, Passage, RetrievalSettings
from apps.knowledge.retrieval.local_reranker import LocalReranker
from apps.knowledge.retrieval.reranking import ModelReranker, reranked, reranker_of
from apps.knowledge.retrieval.settings import combined
from apps.knowledge.services.retrieval_settings import update_retrieval_settings
from parley.db import uuid7
from parley.errors import Invalid, Unavailable
from parley.llm.fake import FakeProvider
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider

Make = Callable[..., Any]
RERANKED = ModelReranker.depth

PAGES = {
    "Refunds": b"# Refunds\n\nCustomers get their money back within 14 days. Vouchers are not refunded.",
    "Money": b"# Money\n\nOr when will the bank send it then? Ask there.",
    "Hours": b"# Hours\n\nThe shop is open from nine to six on weekdays.",
}
QUESTION = "when will the bank send"


def _passage(fused: float, document: UUID | None = None, ordinal: int = 0) -> Passage:
    why = Explanation(word_rank=None, word_score=None, vector_rank=None, similarity=None, fused=fused, relevance=0.5)
    document = document or uuid7()
    return Passage(
        uuid7(), document, uuid7(), uuid7(), "Title", "Text", fused, "", (), explanation=why, ordinal=ordinal
    )


def test_what_its_document_and_neighbours_speak_for_rises() -> None:
    """A middling passage of the best document passes a better one that stands alone."""
    manual = uuid7()
    best, beside, alone = _passage(1.0, manual, 3), _passage(0.4, manual, 4), _passage(0.6)
    ordered = reranked(LocalReranker(), "q", [best, alone, beside])
    assert [passage.chunk_id for passage in ordered] == [best.chunk_id, beside.chunk_id, alone.chunk_id]
    assert all(0.0 <= passage.score <= 1.0 for passage in ordered)
    assert ordered[0].explanation is not None
    assert ordered[0].explanation.rerank_score == ordered[0].score


def test_the_local_reranker_is_quick() -> None:
    """50 candidates within 60 ms, with much to spare."""
    passages = [_passage(1 / place) for place in range(1, RERANKED + 1)]
    started = time.perf_counter()
    reranked(LocalReranker(), "q", passages)
    assert time.perf_counter() - started < 0.06


class _Backwards:
    depth = RERANKED

    def __call__(self, question: str, passages: Sequence[Passage]) -> list[float]:
        return [place / 100 + 0.1 for place in range(len(passages))]


class _Away:
    depth = RERANKED

    def __call__(self, question: str, passages: Sequence[Passage]) -> list[float]:
        raise Unavailable("The reranker is away.")


def test_those_behind_the_candidates_stay_behind() -> None:
    passages = [_passage(1 - place / 100) for place in range(RERANKED + 5)]
    ordered = reranked(_Backwards(), "q", passages)
    assert [passage.chunk_id for passage in ordered[RERANKED:]] == [each.chunk_id for each in passages[RERANKED:]]
    assert ordered[0].chunk_id == passages[RERANKED - 1].chunk_id
    assert max(each.score for each in ordered[RERANKED:]) <= min(each.score for each in ordered[:RERANKED])


def test_a_reranker_that_fails_changes_nothing() -> None:
    passages = [_passage(0.9), _passage(0.4)]
    assert reranked(_Away(), "q", passages) == passages
    assert reranked(_Away(), "q", []) == []


def test_a_model_reads_only_bases_that_all_chose_it() -> None:
    model = str(uuid7())
    plain, local, paid = (
        RetrievalSettings(),
        RetrievalSettings(reranker=LOCAL_RERANKER),
        RetrievalSettings(reranker=model),
    )
    assert combined([paid, paid]).reranker == model
    assert combined([paid, local]).reranker == combined([plain, paid]).reranker == LOCAL_RERANKER
    assert combined([plain, replace(plain)]).reranker == NO_RERANKER
    assert reranker_of(NO_RERANKER) is None
    assert reranker_of("a name of long ago") is None


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def guide(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    base = make_base(tenant_a)
    for name, content in PAGES.items():
        index(tenant_a, add(tenant_a, base, f"{name}.md", content))
    return base


def _choose(owner: TenantWithKey, base: Any, fake: FakeProvider, name: str) -> None:
    with tenant_tx(owner.tenant.id):
        model = add_model(add_provider(base_url=fake.base_url), name, kind="rerank", output_price=None)
        update_retrieval_settings(knowledge_base_id=base.id, changes={"reranker": str(model.id)})


def _find(owner: TenantWithKey, base: Any, **options: Any) -> list[Passage]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=QUESTION, **options)


def test_a_base_is_reranked_by_the_model_it_chose(tenant_a: TenantWithKey, guide: Any, fake: FakeProvider) -> None:
    before = _find(tenant_a, guide)
    _choose(tenant_a, guide, fake, "fake")
    found = _find(tenant_a, guide)
    assert found[0].title == "Money"
    scores = [passage.score for passage in found]
    assert scores == sorted(scores, reverse=True)
    assert scores == [passage.explanation.rerank_score for passage in found if passage.explanation]
    (call,) = fake.calls
    assert call.body["query"] == QUESTION
    assert call.body["documents"][0].startswith(f"{before[0].title}\n")


@pytest.mark.parametrize("name", ["fake-500", "fake-429", "fake-bad-json", "fake-refuse"])
def test_a_provider_that_is_down_leaves_the_fused_order(
    tenant_a: TenantWithKey, guide: Any, fake: FakeProvider, name: str
) -> None:
    before = _find(tenant_a, guide)
    _choose(tenant_a, guide, fake, name)
    assert _find(tenant_a, guide) == before
    assert len(fake.calls) == 1


def test_an_empty_budget_leaves_the_fused_order(tenant_a: TenantWithKey, guide: Any, fake: FakeProvider) -> None:
    """B-10: nothing is sent, and nobody who asks sees an error."""
    before = _find(tenant_a, guide)
    _choose(tenant_a, guide, fake, "fake")
    with tenant_tx(tenant_a.tenant.id):
        budgets.set_limit(limit=Decimal(0))
    assert _find(tenant_a, guide) == before
    assert fake.calls == []


def test_the_local_reranker_considers_whole_documents(tenant_a: TenantWithKey, guide: Any) -> None:
    found = _find(tenant_a, guide, settings=RetrievalSettings(reranker=LOCAL_RERANKER))
    assert len(found) == 3
    assert all(passage.explanation and passage.explanation.rerank_score == passage.score for passage in found)


def test_only_what_can_rerank_can_be_chosen(tenant_a: TenantWithKey, guide: Any) -> None:
    with tenant_tx(tenant_a.tenant.id):
        update_retrieval_settings(knowledge_base_id=guide.id, changes={"reranker": LOCAL_RERANKER})
        for name in (str(uuid7()), "gpt"):
            with pytest.raises(Invalid) as caught:
                update_retrieval_settings(knowledge_base_id=guide.id, changes={"reranker": name})
            assert caught.value.errors.keys() == {"reranker"}
