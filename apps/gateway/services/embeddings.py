"""Turns texts into vectors, for search and for indexing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from apps.gateway import contracts, selectors
from apps.gateway.routing import failures
from apps.gateway.services import holds
from parley.db import uuid7
from parley.errors import Unavailable
from parley.llm import EmbedRequest, EmbedTarget, LlmError, count_tokens
from parley.llm import embed as call_embedder
from parley.tenancy import tenant_tx


def current_model() -> str:
    """The name of the tenant's embedding model: vectors of two models cannot be compared. Opens its own
    transaction. Raises `Problem` when no route for embedding exists.
    """
    with tenant_tx():
        return selectors.resolve_route(purpose="embed").preferred.target.model


def embed(*, texts: Sequence[str], kind: Literal["query", "passage"] = "passage") -> list[list[float]]:
    """One vector per text, in order, by the tenant's embedding model. Blocking; opens its own transactions.

    Every call is reserved and settled like any other, except a question embedded by the built-in model: it is
    free and on the way of every first word. Raises `OverBudget`, `Invalid` (no price), `Unavailable`.
    """
    if not texts:
        return []
    with tenant_tx():
        choice = selectors.resolve_route(purpose="embed").preferred
    # The embedding route takes built-in models only: vectors of two models cannot be compared.
    request = EmbedRequest(target=EmbedTarget(model=choice.target.model), texts=tuple(texts), kind=kind)
    if kind == "query" and choice.price is not None and choice.price.is_free:
        return _embed_for_free(request)
    return _embed_reserved(request, choice)


def _embed_for_free(request: EmbedRequest) -> list[list[float]]:
    try:
        return call_embedder(request).vectors
    except LlmError as error:
        raise Unavailable(error.sentence) from error


def _embed_reserved(request: EmbedRequest, choice: contracts.ModelChoice) -> list[list[float]]:
    call_id = uuid7()
    with tenant_tx():
        holds.reserve(
            call_id=call_id,
            purpose="embed",
            choice=choice,
            input_tokens=sum(map(count_tokens, request.texts)),
            max_output_tokens=0,
        )
    try:
        result = call_embedder(request)
    except LlmError as error:
        with tenant_tx():
            if failures.is_free(error):
                holds.release(call_id=call_id)
            else:
                holds.settle_interrupted(call_id=call_id, text="")
        raise Unavailable(error.sentence) from error
    with tenant_tx():
        holds.settle(call_id=call_id, usage=result.usage)
    return result.vectors
