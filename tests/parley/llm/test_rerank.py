"""Rerank models over real HTTP: one score per text, whatever the order of the reply, and one kind of error."""

from __future__ import annotations

import pytest

from parley.llm import LlmError, ModelTarget, RerankRequest, rerank
from parley.llm.fake import FakeProvider
from parley.llm.rerank_scores import read_scores

TEXTS = ("The shop opens at nine.", "Refunds take 14 days.", "When do refunds arrive? Refunds take 14 days.")


def _request(fake: FakeProvider, model: str = "fake", **fields: float) -> RerankRequest:
    target = ModelTarget("openai", model, fake.base_url, "fake-key")
    return RerankRequest(target, "when do refunds arrive", TEXTS, **fields)


def test_scores_come_back_in_the_order_of_the_texts(fake: FakeProvider) -> None:
    result = rerank(_request(fake))
    assert result.scores[0] < result.scores[1] < result.scores[2]
    assert result.usage.is_reported
    (call,) = fake.calls
    assert call.path.endswith("/v1/rerank")
    assert call.has_key


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", "rate_limited"), ("500", "bad_response"), ("bad-json", "bad_response"), ("404", "not_found")],
)
def test_faults_are_mapped(fake: FakeProvider, fault: str, kind: str) -> None:
    with pytest.raises(LlmError) as caught:
        rerank(_request(fake, f"fake-{fault}"))
    assert caught.value.kind == kind


def test_a_silent_model_is_given_up(fake: FakeProvider) -> None:
    with pytest.raises(LlmError) as caught:
        rerank(_request(fake, "fake-hang-first", timeout_seconds=0.2))
    assert caught.value.kind == "timeout"


def test_what_only_quotes_cannot_rerank() -> None:
    with pytest.raises(LlmError, match="rerank model"):
        rerank(RerankRequest(ModelTarget("extractive", "quotes"), "q", ("a",)))


def test_bare_logits_become_shares_and_keep_their_order() -> None:
    assert read_scores([(1, 0.2), (0, 0.9)], 3, where="It") == [0.9, 0.2, 0.0]
    high, low = read_scores([(0, 4.0), (1, -3.0)], 2, where="It")
    assert 0.0 < low < 0.1 < 0.9 < high < 1.0


@pytest.mark.parametrize("rows", [[], [(3, 0.5)], [(0, float("nan"))]])
def test_what_is_no_order_is_refused(rows: list[tuple[int, float]]) -> None:
    with pytest.raises(LlmError, match="no order"):
        read_scores(rows, 2, where="It")
