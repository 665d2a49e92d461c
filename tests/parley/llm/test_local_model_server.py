"""The bundled chat model, for real: it loads, streams through our own backend, and ends when told."""

import os
import socket
import subprocess
import sys
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
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "has read its instructions" in process.stdout.readline()
        assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.communicate(timeout=15)
        assert process.returncode == 0


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
    # The prefix was read at the start, before any question; the second call finds all of its prompt.
    assert first.usage.cached_input_tokens > 100
    assert again.usage.cached_input_tokens > first.usage.cached_input_tokens
