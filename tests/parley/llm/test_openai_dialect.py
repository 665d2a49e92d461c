"""Streaming from a server of the OpenAI dialect: text, usage, limits, and every way it can fail."""

import asyncio
import socket
from contextlib import aclosing

import pytest

from parley.llm import Finished, LlmError, ModelTarget, TextDelta, Timeouts, chat, stream_chat
from parley.llm.backends.sse import SseLines
from parley.llm.fake import FakeProvider, Script
from tests.parley.llm.requests import a_request, events_of, outcome_of, soon, text_of


async def test_text_and_usage_arrive_as_the_provider_sent_them(fake: FakeProvider) -> None:
    fake.script("m", Script(text="Größe: 25 MB — ok.\n\n- ja", reported_input_tokens=11, reported_cached_tokens=5))

    events = await events_of(a_request(fake.target("m")))

    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Größe: 25 MB — ok.\n\n- ja"
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert (finished.reason, finished.usage.input_tokens, finished.usage.cached_input_tokens) == ("stop", 11, 5)
    assert finished.usage.is_reported
    assert finished.usage.output_tokens == fake.calls[0].sent_tokens
    assert all(event.text for event in events if isinstance(event, TextDelta))


async def test_the_request_says_what_was_asked_for(fake: FakeProvider) -> None:
    await chat(a_request(fake.target("fake"), temperature=0.2, stop=("END",), max_output_tokens=7))

    body = fake.calls[0].body
    assert body["max_tokens"] == 7
    assert body["temperature"] == 0.2
    assert body["stop"] == ["END"]
    assert body["stream_options"] == {"include_usage": True}
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert fake.calls[0].has_key


async def test_an_answer_cut_by_its_limit_says_so(fake: FakeProvider) -> None:
    result = await chat(a_request(fake.target("fake-50tok"), max_output_tokens=5))
    assert result.reason == "length"
    assert result.usage.output_tokens == 5


async def test_usage_is_estimated_and_marked_when_the_provider_reports_none(fake: FakeProvider) -> None:
    result = await chat(a_request(fake.target("fake-nousage-40tok")))
    assert not result.usage.is_reported
    assert result.usage.output_tokens >= 40
    assert result.usage.input_tokens > 5


async def test_connections_are_used_again(fake: FakeProvider) -> None:
    for _ in range(5):
        await text_of(a_request(fake.target()))
    assert fake.record.opened_sockets == 1


@pytest.mark.parametrize(
    ("model", "kind", "is_retryable"),
    [
        ("fake-refuse", "unreachable", True),
        ("fake-401", "authentication", False),
        ("fake-404", "not_found", False),
        ("fake-429", "rate_limited", True),
        ("fake-400", "refused", False),
        ("fake-context", "context_overflow", False),
        ("fake-500", "bad_response", True),
        ("fake-503", "unreachable", True),
        ("fake-hang-first", "timeout", True),
        ("fake-hang-after-20-60tok", "timeout", True),
        ("fake-cut-60tok", "bad_response", True),
        ("fake-bad-json-60tok", "bad_response", True),
        ("fake-error-event-60tok", "bad_response", True),
        ("fake-empty", "bad_response", True),
    ],
)
async def test_every_fault_ends_in_one_clean_error(
    fake: FakeProvider, model: str, kind: str, is_retryable: bool
) -> None:
    """S-11: refuse, 401, 404, 429, 500, hang before the first token, hang after 20, cut, bad JSON, empty."""
    text, error = await outcome_of(a_request(fake.target(model)))

    assert isinstance(error, LlmError)
    assert (error.kind, error.is_retryable) == (kind, is_retryable)
    assert error.sentence.endswith(".")
    assert "fake-key" not in f"{error!r}{error}"
    assert (text != "") is model.endswith("60tok")
    assert await soon(fake, lambda: fake.open_sockets <= 1)


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_fault(fake: FakeProvider) -> None:
    """A server closes an idle connection just as it is used again: it never saw the request, so it is sent anew."""
    await text_of(a_request(fake.target()))
    fake.script("m", [Script(fault="refuse"), Script(text="second try")])
    assert await text_of(a_request(fake.target("m"))) == "second try"


async def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, error = await outcome_of(a_request(ModelTarget("openai", "m", f"http://127.0.0.1:{port}/v1")))
    assert isinstance(error, LlmError)
    assert error.kind == "unreachable"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("1e9", 3600.0), ("soon", None), ("nan", None), (None, None)]
)
async def test_retry_after_is_passed_on_within_reason(
    fake: FakeProvider, header: str | None, seconds: float | None
) -> None:
    fake.script("m", Script(fault="429", retry_after=header))
    _, error = await outcome_of(a_request(fake.target("m")))
    assert isinstance(error, LlmError)
    assert error.retry_after == seconds


async def test_the_total_limit_ends_an_endless_answer(fake: FakeProvider) -> None:
    limits = Timeouts(connect=1, first_token=1, between_tokens=1, total=0.25)
    text, error = await outcome_of(a_request(fake.target("fake-50tps-5000tok"), timeouts=limits))
    assert isinstance(error, LlmError)
    assert error.kind == "timeout"
    assert text


async def test_a_slow_but_living_answer_is_not_cut(fake: FakeProvider) -> None:
    """The limit between tokens starts anew with each token."""
    fake.script("m", Script(token_count=8, token_delay=0.12))
    limits = Timeouts(connect=1, first_token=0.3, between_tokens=0.3, total=5)
    assert await text_of(a_request(fake.target("m"), timeouts=limits))


@pytest.mark.parametrize("after", [1, 5])
async def test_cancelling_the_consumer_closes_the_providers_socket(fake: FakeProvider, after: int) -> None:
    """S-08: a cancelled answer must not go on costing money."""
    seen = asyncio.Event()

    async def read() -> None:
        count = 0
        async for _ in stream_chat(a_request(fake.target("fake-100tps-1000tok"))):
            count += 1
            if count == after:
                seen.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(seen.wait(), 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await soon(fake, lambda: fake.calls[0].was_closed_by_client)
    assert fake.calls[0].sent_tokens < 40


async def test_closing_the_stream_closes_the_providers_socket(fake: FakeProvider) -> None:
    """S-08, for a consumer that simply stops reading."""
    async with aclosing(stream_chat(a_request(fake.target("fake-100tps-1000tok")))) as events:
        async for _ in events:
            break
    assert await soon(fake, lambda: fake.calls[0].was_closed_by_client)


async def test_cancelling_before_the_first_token_closes_the_socket(fake: FakeProvider) -> None:
    """S-08, while nothing has been said yet."""
    task = asyncio.create_task(text_of(a_request(fake.target("fake-hang-first"), timeouts=Timeouts())))
    assert await soon(fake, lambda: len(fake.calls) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await soon(fake, lambda: fake.calls[0].was_closed_by_client)


async def test_a_hundred_streams_at_once_all_arrive_whole(fake: FakeProvider) -> None:
    request = a_request(fake.target("fake-200tps-20tok"), timeouts=Timeouts())
    texts = await asyncio.gather(*(text_of(request) for _ in range(100)))
    assert len(set(texts)) == 1
    assert texts[0].count("word") == 20
    assert len(fake.calls) == 100


def test_events_are_cut_the_same_however_the_bytes_are_split() -> None:
    """A TCP segment may end anywhere, also inside a character."""
    stream = 'data: {"a":"ü"}\r\n\r\n: ping\n\nevent: x\ndata:{"b":2}\n\ndata: [DONE]\n\n'.encode()
    whole = SseLines().feed(stream)
    assert whole == ['{"a":"ü"}'.encode(), b'{"b":2}', b"[DONE]"]
    for size in range(1, 12):
        reader = SseLines()
        parts = [reader.feed(stream[at : at + size]) for at in range(0, len(stream), size)]
        assert [payload for part in parts for payload in part] == whole


def test_an_endless_line_is_refused() -> None:
    reader = SseLines()
    for _ in range(16):
        reader.feed(b"x" * 65_536)
    with pytest.raises(LlmError) as caught:
        reader.feed(b"x")
    assert caught.value.kind == "bad_response"


def test_the_short_timeouts_of_these_tests_are_not_the_products() -> None:
    limits = Timeouts()
    assert (limits.connect, limits.first_token, limits.between_tokens, limits.total) == (5, 20, 30, 300)
