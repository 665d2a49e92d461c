"""Turns texts into vectors, for search and for indexing: one layer for batches, repeats, limits and money."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from apps.gateway import contracts, selectors
from apps.gateway.routing import failures
from apps.gateway.services import addresses
from apps.gateway.services.reserved_calls import call_reserved
from parley.errors import Unavailable
from parley.llm import EmbedRequest, EmbedResult, EmbedTarget, LlmError, count_tokens
from parley.llm import embed as call_embedder
from parley.tenancy import tenant_tx

Kind = Literal["query", "passage"]

# Providers refuse longer lists; and a repeat costs no more than this much again.
MAX_TEXTS_A_CALL = 128
MAX_TOKENS_A_CALL = 60_000
# Of the bundled model.
LOCAL_DIMENSIONS = 384
# Somebody waits for the answer to a question, and words alone find something, too.
_QUERY_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class EmbedderFacts:
    """An embedding model: its id, its provider's name for it, what people call it, and how long its vectors are."""

    model_id: UUID
    name: str
    label: str
    dimensions: int


def describe(model_id: UUID | None = None) -> EmbedderFacts:
    """What is to be known of an embedding model, the tenant's own by default. Asks a provider's for one vector.

    Opens its own transactions. Raises as `embed` does.
    """
    choice = _choice(model_id)
    length = LOCAL_DIMENSIONS if choice.reads_slowly else len(embed(texts=["length"], model_id=choice.model_id)[0])
    return EmbedderFacts(choice.model_id, choice.target.model, choice.label, length)


def current_model(model_id: UUID | None = None) -> str:
    """The name of an embedding model, the tenant's own by default: vectors of two models cannot be compared.

    Opens its own transaction. Raises `Problem` when there is no such model or no route for embedding.
    """
    return _choice(model_id).target.model


def embed(*, texts: Sequence[str], kind: Kind = "passage", model_id: UUID | None = None) -> list[list[float]]:
    """One unit vector per text, in order, by the given embedding model or the tenant's own.

    Blocking; opens its own transactions; long lists go in several calls. A call that was turned away for a moment
    is repeated, for passages with more patience than for a question that somebody waits for. Every call is
    reserved and settled like any other, except a question embedded by a free model, which is on the way of every
    first word. Raises `OverBudget`, `Invalid` (no price, no such model), `Unavailable`.
    """
    if not texts:
        return []
    choice = _choice(model_id)
    vectors: list[list[float]] = []
    for batch in _batches(texts):
        is_waited_for = kind == "query" and not choice.reads_slowly
        request = EmbedRequest(_target(choice), batch, kind, _QUERY_SECONDS if is_waited_for else None)
        vectors += _embed_patiently(request, choice).vectors
    return vectors if choice.reads_slowly else [_unit(vector, choice.label) for vector in vectors]


def _choice(model_id: UUID | None) -> contracts.ModelChoice:
    with tenant_tx():
        if model_id is not None:
            return selectors.get_embedder(model_id)
        return selectors.resolve_route(purpose="embed").preferred


def _target(choice: contracts.ModelChoice) -> EmbedTarget:
    # What runs on this machine is the bundled model, which needs no address.
    if choice.reads_slowly:
        return EmbedTarget(model=choice.target.model)
    return EmbedTarget(
        backend="litellm" if choice.target.backend == "litellm" else "openai",
        model=choice.target.model,
        base_url=choice.target.base_url,
        api_key=choice.target.api_key,
    )


def _batches(texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    batch: list[str] = []
    tokens = 0
    for text in texts:
        size = count_tokens(text)
        if batch and (len(batch) == MAX_TEXTS_A_CALL or tokens + size > MAX_TOKENS_A_CALL):
            yield tuple(batch)
            batch, tokens = [], 0
        batch.append(text)
        tokens += size
    yield tuple(batch)


def _embed_patiently(request: EmbedRequest, choice: contracts.ModelChoice) -> EmbedResult:
    """The call and its repeats, each with a reservation of its own."""
    is_free = request.kind == "query" and choice.price is not None and choice.price.is_free
    attempt = 1
    while True:
        try:
            addresses.require_callable(request.target.base_url)
            if is_free:
                return call_embedder(request)
            tokens = sum(map(count_tokens, request.texts))
            return call_reserved(lambda: call_embedder(request), purpose="embed", choice=choice, input_tokens=tokens)
        except LlmError as error:
            pause = failures.pause_before_embedding_again(error, attempt, is_waited_for=request.kind == "query")
            if pause is None:
                raise Unavailable(error.sentence) from error
        time.sleep(pause)
        attempt += 1


def _unit(vector: Sequence[float], label: str) -> list[float]:
    """The same direction with length 1, so that an inner product is a cosine."""
    length = math.sqrt(math.fsum(value * value for value in vector))
    if not length or not math.isfinite(length):
        raise Unavailable(f"{label} sent a vector without a direction. Try again, or choose another embedding model.")
    return [value / length for value in vector]
