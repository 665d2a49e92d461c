"""The fake provider is what other tests trust, so it is tested itself, with a plain HTTP client."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from parley.llm import EmbedRequest, LlmError, embed
from parley.llm.fake import FakeProvider, Script, script_for


def _post(fake: FakeProvider, path: str, **body: object) -> httpx.Response:
    return httpx.post(f"{fake.base_url}/{path}", json=body, timeout=5, trust_env=False)


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("fake", Script()),
        ("fake-20tps-100tok", Script(token_delay=0.05, token_count=100)),
        ("fake-hang-after-20", Script(fault="hang-after-20")),
        ("fake-50tps-429", Script(token_delay=0.02, fault="429")),
        ("fake-cite-nousage-first250ms", Script(cites=True, reports_usage=False, first_delay=0.25)),
        ("gpt-4o", None),
    ],
)
def test_scripts_are_read_out_of_model_names(name: str, script: Script | None) -> None:
    assert script_for(name) == script


def test_a_whole_answer(fake: FakeProvider) -> None:
    fake.script("m", Script(text="Forty-two [1]."))
    reply = _post(fake, "chat/completions", model="m", messages=[{"role": "user", "content": "?"}]).json()
    assert reply["choices"][0]["message"]["content"] == "Forty-two [1]."
    assert reply["usage"]["completion_tokens"] == 2


def test_scripts_in_a_row_and_by_request(fake: FakeProvider) -> None:
    fake.script("row", [Script(fault="500"), Script(text="second")])
    statuses = [_post(fake, "chat/completions", model="row", messages=[]).status_code for _ in range(3)]
    assert statuses == [500, 200, 200]

    fake.script("echo", lambda body: Script(text=body["messages"][-1]["content"]))
    reply = _post(fake, "chat/completions", model="echo", messages=[{"role": "user", "content": "hear me"}])
    assert reply.json()["choices"][0]["message"]["content"] == "hear me"


def test_embeddings_are_the_same_for_the_same_text(fake: FakeProvider) -> None:
    result = embed(EmbedRequest(fake.embed_target(), ("a", "b", "a")))
    assert result.vectors[0] == result.vectors[2] != result.vectors[1]
    assert result.usage.is_reported
    assert len(result.vectors[0]) == 384


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("429", "rate_limited"), ("500", "bad_response"), ("bad-json", "bad_response"), ("401", "authentication")],
)
def test_faults_of_embeddings_are_mapped(fake: FakeProvider, fault: str, kind: str) -> None:
    with pytest.raises(LlmError) as caught:
        embed(EmbedRequest(fake.embed_target(f"fake-{fault}"), ("a",)))
    assert caught.value.kind == kind


def test_many_texts_are_sent_in_several_calls(fake: FakeProvider) -> None:
    texts = tuple(f"text {number}" for number in range(600))
    result = embed(EmbedRequest(fake.embed_target(), texts))
    assert len(result.vectors) == 600
    assert len(fake.calls) == 3
    assert result.vectors[599] == embed(EmbedRequest(fake.embed_target(), ("text 599",))).vectors[0]


def test_statistics_and_scripts_over_http(fake: FakeProvider) -> None:
    """A benchmark drives it from another process."""
    host = fake.base_url.removesuffix("/v1")
    httpx.post(f"{host}/fake/scripts", json={"model": "remote", "text": "planned from afar"}, trust_env=False)
    reply = _post(fake, "chat/completions", model="remote", messages=[])
    assert "planned from afar" in reply.text
    stats = httpx.get(f"{host}/fake/stats", trust_env=False).json()
    assert stats["calls"][0]["model"] == "remote"
    assert stats["calls"][0]["is_complete"]
    httpx.post(f"{host}/fake/reset", json={}, trust_env=False)
    assert fake.calls == []
    assert httpx.get(f"{fake.base_url}/models", trust_env=False).json()["data"][0]["id"] == "fake"


def test_tokens_come_at_their_pace(fake: FakeProvider) -> None:
    began = time.monotonic()
    body = {"model": "fake-100tps-30tok", "stream": True, "messages": []}
    assert httpx.post(f"{fake.base_url}/chat/completions", json=body, trust_env=False).text.endswith("[DONE]\n\n")
    assert 0.27 <= time.monotonic() - began < 3


def test_a_stopped_provider_refuses_connections() -> None:
    with FakeProvider() as provider:
        port = provider.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_the_command_serves_until_it_is_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[3] / "manage.py"), "fake_provider", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = line.split()[-1]
        assert httpx.get(f"{address}/models", trust_env=False).status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=10)
