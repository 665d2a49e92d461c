"""Builders shared by the tests of the model gateway."""

import asyncio
from collections.abc import Callable
from typing import Any

from parley.llm import ChatEvent, ChatMessage, ChatRequest, Finished, LlmError, ModelTarget, TextDelta, Timeouts
from parley.llm import stream_chat as call
from parley.llm.fake import FakeProvider

QUICK = Timeouts(connect=1, first_token=0.3, between_tokens=0.3, total=5)


def a_request(target: ModelTarget, *, timeouts: Timeouts = QUICK, **changes: Any) -> ChatRequest:
    """A question to `target`, impatient unless told otherwise."""
    messages = (ChatMessage("system", "Be brief."), ChatMessage("user", "What is new?"))
    values: dict[str, Any] = {"messages": messages, "max_output_tokens": 400, "timeouts": timeouts}
    return ChatRequest(target=target, **(values | changes))


async def events_of(request: ChatRequest) -> list[ChatEvent]:
    """Everything one call yields."""
    return [event async for event in call(request)]


async def text_of(request: ChatRequest) -> str:
    """The joined deltas of one call."""
    return "".join(event.text for event in await events_of(request) if isinstance(event, TextDelta))


async def outcome_of(request: ChatRequest) -> tuple[str, Finished | LlmError]:
    """The text that arrived and how the call ended."""
    text = ""
    try:
        async for event in call(request):
            if isinstance(event, Finished):
                return text, event
            text += event.text
    except LlmError as error:
        return text, error
    raise AssertionError("the stream ended without saying so")


async def soon(fake: FakeProvider, condition: Callable[[], bool], *, seconds: float = 1.0) -> bool:
    """Whether `condition` comes true in time, while this loop goes on working."""
    return await asyncio.to_thread(fake.wait_until, condition, seconds=seconds)
