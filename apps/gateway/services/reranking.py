"""Asks a rerank model which texts answer a question best: one short, paid-for try, because somebody waits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.gateway import selectors
from apps.gateway.services import addresses
from apps.gateway.services.reserved_calls import call_reserved
from parley.errors import Unavailable
from parley.llm import LlmError, RerankRequest, rerank_tokens
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
    with tenant_tx():
        choice = selectors.get_reranker(model_id)
    request = RerankRequest(choice.target, question, tuple(texts), timeout_seconds)
    try:
        addresses.require_callable(choice.target.base_url)
        result = call_reserved(
            lambda: call_reranker(request), purpose="rerank", choice=choice, input_tokens=rerank_tokens(request)
        )
    except LlmError as error:
        raise Unavailable(error.sentence) from error
    return result.scores
