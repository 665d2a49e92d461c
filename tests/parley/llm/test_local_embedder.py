"""The bundled embedder: the same vectors everywhere, questions first, one process for all."""

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from parley.llm import EmbedRequest, EmbedTarget, LlmError, embed
from parley.llm.local_embedder import ADDRESS_VARIABLE, embed_short
from parley.llm.local_similarity import local_similarity

PASSAGE = "The widget is embedded with one line of script that names the assistant and its host. " * 6
PLATFORM = Path(__file__).parents[3] / "platform"


def _query(text: str) -> list[float]:
    return embed(EmbedRequest(EmbedTarget(), (text,), "query")).vectors[0]


def test_vectors_have_unit_length_and_know_what_is_meant() -> None:
    question, near, far = embed(
        EmbedRequest(EmbedTarget(), ("How do I log in?", "Signing in to your account", "The price of copper"))
    ).vectors
    assert len(question) == 384
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-5)
    assert np.dot(question, near) > np.dot(question, far) + 0.3


def test_a_text_has_the_same_vector_alone_and_among_others() -> None:
    """An 8-bit model run in batches would give neighbours an influence, and re-indexing other vectors."""
    alone = embed(EmbedRequest(EmbedTarget(), ("A short one.",))).vectors[0]
    among = embed(EmbedRequest(EmbedTarget(), (PASSAGE, "A short one.", "x"))).vectors[1]
    assert alone == among == _query("A short one.")


@pytest.mark.parametrize("text", ["", " ", "\x00", "🦜" * 50, "word " * 5_000])
def test_odd_texts_still_get_a_vector(text: str) -> None:
    assert np.linalg.norm(_query(text)) == pytest.approx(1, abs=1e-5)


def test_repeated_questions_cost_nothing() -> None:
    _query("Is this remembered?")
    began = time.perf_counter()
    for _ in range(50):
        _query("Is this remembered?")
    assert (time.perf_counter() - began) / 50 < 0.001


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The embedder's own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "parley.llm.embedder_server", "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(PLATFORM)},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/healthz", trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_its_process_gives_the_same_vectors(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("first text", PASSAGE, "third: größer")
    here = embed(EmbedRequest(EmbedTarget(), texts))
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    there = embed(EmbedRequest(EmbedTarget(), texts))
    assert there == here


def test_a_question_does_not_wait_behind_a_document(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    _query("warm the connection")
    chunks = tuple(f"{number} {PASSAGE}" for number in range(64))
    bulk = threading.Thread(target=lambda: embed(EmbedRequest(EmbedTarget(), chunks)))
    bulk.start()
    waits: list[float] = []
    while bulk.is_alive() and len(waits) < 40:
        began = time.perf_counter()
        embed_short((f"question number {len(waits)}",))
        waits.append(time.perf_counter() - began)
    was_busy = bulk.is_alive()
    bulk.join()
    assert was_busy or len(waits) >= 10
    # The whole bulk takes a second and more: waiting behind it would show.
    assert statistics.median(waits) < 0.15


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"input": "one"}, 200),
        ({"input": ["a", "b"]}, 200),
        ({"input": [1]}, 400),
        ({}, 400),
        ({"input": ["a"] * 3_000}, 400),
    ],
)
def test_it_speaks_the_openai_dialect(address: str, body: dict[str, object], status: int) -> None:
    reply = httpx.post(f"{address}/v1/embeddings", json=body, trust_env=False)
    assert reply.status_code == status
    if status == 200:
        assert len(reply.json()["data"][0]["embedding"]) == 384
        assert reply.json()["usage"]["prompt_tokens"] > 0
    else:
        assert reply.json()["error"]["message"].endswith(".")


def test_without_its_process_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(LlmError) as caught:
        _query("nobody listens to this question")
    assert caught.value.kind == "unreachable"
    assert local_similarity("nobody listens to this either", ["a"]) is None
