"""The general backend, spoken to through LiteLLM's own OpenAI client against the fake provider."""

import asyncio
import os

import pytest

from parley.llm import (
    EmbedRequest,
    EmbedTarget,
    Finished,
    LlmError,
    ModelTarget,
    RerankRequest,
    Timeouts,
    embed,
    rerank,
    stream_chat,
)
from parley.llm.backends.litellm import warm_litellm
from parley.llm.fake import FakeProvider, Script
from tests.parley.llm.requests import a_request, outcome_of, soon

# LiteLLM announces its own deprecations and those of pydantic; neither is ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),
    # Importing it takes longer than all of these tests: once is enough.
    pytest.mark.xdist_group("litellm"),
]
# Patience for what answers, on a busy machine too; none for what is to time out.
PATIENT = Timeouts(connect=20, first_token=20, between_tokens=20, total=60)
HASTY = Timeouts(connect=2, first_token=1.5, between_tokens=0.4, total=10)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Import it once, as the server does at its start."""
    warm_litellm().join(60)


def _target(fake: FakeProvider, model: str) -> ModelTarget:
    return ModelTarget("litellm", f"openai/{model}", fake.base_url, "fake-key")


async def test_text_and_usage_arrive(fake: FakeProvider) -> None:
    fake.script("m", Script(text="It closes at six [1].", reported_input_tokens=33))
    text, end = await outcome_of(a_request(_target(fake, "m"), timeouts=PATIENT))
    assert text == "It closes at six [1]."
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.input_tokens, end.usage.is_reported) == ("stop", 33, True)
    assert fake.calls[0].body["max_tokens"] == 400


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("fake-401", "authentication"),
        ("fake-404", "not_found"),
        ("fake-429", "rate_limited"),
        ("fake-500", "bad_response"),
        ("fake-refuse", "unreachable"),
        ("fake-context", "context_overflow"),
        ("fake-hang-first", "timeout"),
        ("fake-hang-after-20-60tok", "timeout"),
        ("fake-empty", "bad_response"),
    ],
)
async def test_faults_end_in_the_same_errors(fake: FakeProvider, model: str, kind: str) -> None:
    """S-11, through LiteLLM, with one call each: retrying is the gateway's decision."""
    _, error = await outcome_of(a_request(_target(fake, model), timeouts=HASTY if kind == "timeout" else PATIENT))
    assert isinstance(error, LlmError)
    assert error.kind == kind
    assert "fake-key" not in f"{error!r}{error}"
    assert len(fake.calls) == 1


async def test_cancelling_closes_the_providers_socket(fake: FakeProvider) -> None:
    """S-08, through LiteLLM."""

    async def read() -> None:
        async for _ in stream_chat(a_request(_target(fake, "fake-50tps-500tok"), timeouts=PATIENT)):
            pass

    task = asyncio.create_task(read())
    assert await soon(fake, lambda: bool(fake.calls) and fake.calls[0].sent_tokens > 3, seconds=20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await soon(fake, lambda: fake.calls[0].was_closed_by_client)


def test_embeddings(fake: FakeProvider) -> None:
    target = EmbedTarget("litellm", "openai/fake", fake.base_url, "fake-key")
    result = embed(EmbedRequest(target, ("a", "b")))
    assert len(result.vectors) == 2
    assert result.usage.is_reported


def test_it_downloads_no_price_list() -> None:
    assert os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"


@pytest.mark.parametrize("provider", ["hosted_vllm", "jina_ai", "cohere"])
def test_rerank_models_of_many_providers_give_one_score_a_text(fake: FakeProvider, provider: str) -> None:
    target = ModelTarget("litellm", f"{provider}/fake", fake.base_url, "fake-key")
    result = rerank(RerankRequest(target, "when do refunds arrive", ("The shop opens.", "Refunds take 14 days.")))
    assert result.scores[0] < result.scores[1]
    assert result.usage.input_tokens > 0


def test_faults_of_reranking_are_mapped(fake: FakeProvider) -> None:
    target = ModelTarget("litellm", "hosted_vllm/fake-429", fake.base_url, "fake-key")
    with pytest.raises(LlmError) as caught:
        rerank(RerankRequest(target, "q", ("a", "b")))
    assert caught.value.kind == "rate_limited"
    assert "fake-key" not in f"{caught.value!r}"
