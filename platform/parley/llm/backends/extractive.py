"""Answers without a model, by quoting the sources: the last resort of every chain, and free."""

import asyncio
from collections.abc import AsyncGenerator

from parley.llm.errors import LlmError
from parley.llm.events import ChatEvent, Finished, TextDelta, Usage
from parley.llm.local_similarity import local_similarity
from parley.llm.quoting import quote_answer
from parley.llm.requests import ChatRequest
from parley.llm.tokens import count_tokens


async def stream_chat(request: ChatRequest) -> AsyncGenerator[ChatEvent]:
    """Yield the quoted sentences one by one, or the refusal.

    Raises `LlmError` (refused) for a request without `grounding`: there is nothing to quote from.
    """
    grounding = request.grounding
    if grounding is None:
        raise LlmError("refused", "This request came without sources, and the extractive backend can only quote.")
    deltas = await asyncio.to_thread(quote_answer, grounding, similarity=local_similarity)
    for delta in deltas:
        yield TextDelta(delta)
    read = count_tokens(grounding.question) + sum(count_tokens(source.text) for source in grounding.sources)
    yield Finished("stop", Usage(read, sum(count_tokens(delta) for delta in deltas)))
