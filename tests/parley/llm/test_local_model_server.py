"""The bundled chat model, for real: it loads, streams through our own backend, and ends when told."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from parley.llm import ChatRequest, GroundingSource, ModelTarget, chat
from parley.llm.small_model import MAX_OUTPUT_TOKENS, STOP, TEMPERATURE, compose_small_prompt, select_sentences
from parley.llm.support import attribute

SOURCES = (
    GroundingSource(1, "Invitations", "An invitation link is valid for 7 days and works only once. Owners can invite."),
)
QUESTION = "How long is an invitation link valid?"


@pytest.fixture
def address() -> Iterator[str]:
    """The running model's address; afterwards it ends by itself when told to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "parley.llm.local_model_server", "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "platform")},
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        assert process.wait(15) == 0


async def test_it_answers_a_question_from_its_sentences(address: str) -> None:
    request = ChatRequest(
        target=ModelTarget("openai", "smollm2-135m-instruct", address),
        messages=compose_small_prompt(QUESTION, select_sentences(QUESTION, SOURCES)),
        max_output_tokens=MAX_OUTPUT_TOKENS,
        temperature=TEMPERATURE,
        stop=STOP,
    )
    first = await chat(request)
    again = await chat(request)

    assert "7 days" in first.text
    assert attribute(first.text, SOURCES) == 1
    assert first.usage.is_reported
    # The prefix was read once; the second call finds it in the slot's cache.
    assert again.usage.cached_input_tokens > 100


def _wait_until_healthy(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the local model did not start within a minute")
