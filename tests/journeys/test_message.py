"""The journey of a message, as docs/routes.md tells it: key, knowledge, assistant, cited answer, rating, kill -9."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from apps.knowledge.services.documents import add_document
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.llm.fake import Script
from parley.tenancy import tenant_tx
from tests.conversations.conftest import MODEL, Chat, chat, fake
from tests.conversations.server import serve
from tests.services import ROOT, TestServices

__all__ = ["chat", "fake"]

pytestmark = pytest.mark.django_db(transaction=True)

FACT = "The Team plan includes 15 seats."


def test_an_answer_cites_the_passage_that_holds_the_fact(chat: Chat) -> None:
    with tenant_tx(chat.tenant_id):
        base = create_knowledge_base(name="Docs")
    with tenant_tx(chat.tenant_id):
        add_document(knowledge_base_id=base.id, name="plans.md", content=f"# Plans\n\n{FACT}\n".encode())
    chat.plan(Script(text="The Team plan includes 15 seats [1]."))
    with serve() as host, httpx.Client(base_url=f"http://{host}", headers=chat.owner.headers, timeout=30) as http:
        model = http.get("/api/v1/models/").json()["results"]
        pinned = next(row["id"] for row in model if row["name"] == MODEL)
        made = http.post(
            "/api/v1/assistants/",
            json={"name": "Docs", "instructions": "Cite.", "knowledge_base_ids": [str(base.id)], "model": pinned},
        ).json()
        assert http.post(f"/api/v1/assistants/{made['id']}/publish/").status_code < 300
        conversation = http.post("/api/v1/conversations/", json={"assistant": made["slug"]}).json()["id"]
        taken = http.post(
            f"/api/v1/conversations/{conversation}/messages/",
            json={"text": "How many seats are in the Team plan?", "client_id": "one"},
        ).json()
        stream = http.get(f"/api/v1/generations/{taken['generation_id']}/events/").text
        assert "event: generation.completed" in stream
        answer = http.get(f"/api/v1/conversations/{conversation}/messages/").json()["results"][-1]
        assert "15 seats" in answer["text"]
        (citation,) = answer["citations"]
        assert citation["marker"] == 1
        assert FACT in citation["text"]
        assert citation["title"] == "Plans"
        rating = {"value": "up", "reasons": ["correct"], "comment": ""}
        assert http.put(f"/api/v1/messages/{taken['message_id']}/rating/", json=rating).json() == rating


def test_a_killed_process_leaves_an_honest_answer(
    chat: Chat, test_services: TestServices, worker_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-02, S-03: kill -9 in the middle; another process closes the answer with exactly the words that were shown."""
    chat.plan(Script(token_count=2000, token_delay=0.02))
    with _process(test_services, worker_id) as (process, url):
        headers = chat.owner.headers
        taken = httpx.post(
            f"{url}/api/v1/conversations/{chat.conversation_id}/messages/",
            json={"text": "Go on.", "client_id": "one"},
            headers=headers,
            timeout=20,
        ).json()
        shown = _read_a_little(f"{url}/api/v1/generations/{taken['generation_id']}/events/", headers)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    from apps.conversations.models import Generation
    from apps.conversations.services import sweeping

    with tenant_tx(chat.tenant_id):
        # Twenty seconds later, without waiting for them.
        Generation.objects.filter(id=taken["generation_id"]).update(lease_until="2020-01-01T00:00:00Z")
    sweeping.close_orphans()
    with serve() as host:
        response = httpx.get(
            f"http://{host}/api/v1/generations/{taken['generation_id']}/", headers=chat.owner.headers, timeout=20
        )
    generation = response.json()
    assert generation["status"] == "interrupted"
    assert shown
    assert generation["text"].startswith(shown)
    assert generation["error"]


def _read_a_little(url: str, headers: dict[str, str]) -> str:
    text = ""
    with httpx.stream("GET", url, headers=headers, timeout=20) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                frame: dict[str, Any] = json.loads(line.removeprefix("data: "))
                text += frame.get("text", "") if frame["type"] == "generation.delta" else ""
            if len(text) > 100:
                return text
    raise AssertionError("The answer ended too early.")


@contextmanager
def _process(services: TestServices, worker_id: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    from django.conf import settings

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **services.environment(f"parley_{worker_id}"),
        "VALKEY_URL": settings.VALKEY_URL,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
    }
    command = [sys.executable, "-m", "uvicorn", "parley.config.asgi:application", "--port", str(port)]
    with subprocess.Popen([*command, "--log-level", "error"], env=environment, cwd=ROOT) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        try:
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(f"{url}/healthz", timeout=2)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield process, url
        finally:
            process.kill()
