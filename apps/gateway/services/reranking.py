"""Asks a rerank model which texts answer a question best: one short, paid-for try, because somebody waits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.routing import failures
from apps.gateway.services import holds
from parley.db import uuid7
from parley.errors import Unavailable
from parley.llm import LlmError, RerankRequest, count_tokens
from parley.llm import rerank as call_reranker
from parley.tenancy import tenant_tx

TIMEOUT_SECONDS = 3.0


def rerank(
    *, question: str, texts: Sequence[str], model_id: UUID, timeout_seconds: float = TIMEOUT_SECONDS
) -> list[float]:
    """How well each text answers the question, in [0, 1], in the order of the texts.

    Blocking; opens its own transactions. The call is reserved and settled like any other (B-10), and not repeated.
    Raises `OverBudget`, `Invalid` (no price, no such model), `Unavailable`.
    """
    if not texts:
        return []
    call_id = uuid7()
    with tenant_tx():
        choice = selectors.get_reranker(model_id)
        # Such a model reads the question once with every text.
        asked = count_tokens(question)
        tokens = sum(asked + count_tokens(text) for text in texts)
        holds.reserve(call_id=call_id, purpose="rerank", choice=choice, input_tokens=tokens, max_output_tokens=0)
    try:
        result = call_reranker(RerankRequest(choice.target, question, tuple(texts), timeout_seconds))
    except LlmError as error:
        with tenant_tx():
            if failures.is_free(error):
                holds.release(call_id=call_id)
            else:
                holds.settle_interrupted(call_id=call_id, text="")
        raise Unavailable(error.sentence) from error
    with tenant_tx():
        holds.settle(call_id=call_id, usage=result.usage)
    return result.scores
