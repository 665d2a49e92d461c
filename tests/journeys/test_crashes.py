"""Processes killed in the middle, and a message store that forgets: what was begun comes to an honest end.

Both kills happen in one scenario, because a lease has to run out after each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis

from parley.llm.fake import FakeProvider, Script
from tests.journeys.product import Outsider, Product, hear, hear_until, joined, running_product, say, until
from tests.knowledge.files import long_markdown
from tests.services import TestServices

pytestmark = [pytest.mark.xdist_group("journeys"), pytest.mark.timeout(400)]

TOKEN = 1 / 20
SECTIONS = 600
_HOLDS = "SELECT state, count(*) FROM gateway_hold WHERE conversation_id = %s GROUP BY state"


@pytest.fixture(scope="module")
def product(test_services: TestServices, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("crashes")
    with running_product(test_services, folder, name=f"parley_crashes_{worker_id}", valkey_database=13) as product:
        yield product


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.script("slow", Script(token_count=1500, token_delay=TOKEN))
        provider.script("brisk", Script(token_count=80, token_delay=TOKEN))
        yield provider


@pytest.fixture(scope="module")
def acme(product: Product) -> Iterator[Outsider]:
    key = product.set_up("acme")["acme"]
    product.wait_for_web()
    with Outsider(product, key) as acme:
        yield acme


@dataclass(frozen=True, slots=True)
class Crash:
    """What was under way when web and worker were killed, and what readers had seen of it."""

    conversation: str
    generation: str
    frames: list[Any]
    document: str
    base: str
    killed_at: datetime


@pytest.fixture(scope="module")
def crash(product: Product, acme: Outsider, provider: FakeProvider) -> Crash:
    base = acme.create("/knowledge-bases/", name="Rules")["id"]
    assistant = acme.published_assistant("Slow", model=acme.scripted_model(provider.base_url, "slow"))
    conversation = acme.create("/conversations/", assistant=assistant["slug"])["id"]
    document = acme.upload(base, "rules.md", long_markdown(SECTIONS), "text/markdown")
    # Embedding takes much longer than a first word, so the document goes first.
    until(lambda: acme.get(f"/documents/{document}/")["status"] in ("chunking", "embedding"), within=120, every=0.02)
    with acme.open_socket(conversation) as socket:
        say(socket, type="message", client_id="one", text="Go on.")
        frames = hear_until(socket, "generation.delta")
        product.kill("worker")
        frames += [hear(socket) for _ in range(45)]
        killed_at = datetime.now(UTC)
        product.kill("web")
    product.start_worker()
    product.start_web()
    product.wait_for_web()
    return Crash(conversation, frames[0]["generation_id"], frames, document, base, killed_at)


def test_a_killed_worker_leaves_a_document_that_gets_indexed(crash: Crash, product: Product, acme: Outsider) -> None:
    """Not indexed when the worker died, indexed once when another took it over: each section there, each once."""
    before = acme.get(f"/documents/{crash.document}/")
    assert before["status"] not in ("indexed", "failed")
    # Two and a half minutes later, without waiting for them.
    product.execute(
        "UPDATE jobs_job SET lease_until = now() - interval '1 second' WHERE subject_id = %s AND state = 'running'",
        crash.document,
    )
    shown = acme.until_indexed(crash.document, within=120)
    (stored,) = product.execute("SELECT count(*) FROM knowledge_chunk WHERE document_id = %s", crash.document)
    assert stored[0] == shown["chunk_count"]
    body = {"query": f"The rule of subject {SECTIONS - 1}", "limit": 5}
    passages = acme.call("POST", f"/knowledge-bases/{crash.base}/search/", status=200, json=body)["passages"]
    texts = [passage["text"] for passage in passages]
    assert any(f"is number {(SECTIONS - 1) * 7}." in text for text in texts)
    assert len(texts) == len(set(texts))


def test_a_killed_web_process_leaves_an_honest_answer(crash: Crash, acme: Outsider, product: Product) -> None:
    """S-02, S-03, B-05 in small: within 30 s the answer ends, with every word shown, once, and paid for."""
    stored = acme.ended_generation(crash.generation, within=40)
    assert datetime.fromisoformat(stored["finished_at"]) - crash.killed_at < timedelta(seconds=30)
    shown = joined(crash.frames)
    assert shown.startswith("word0 word1 word2")
    assert stored["status"] == "interrupted"
    assert stored["error"]
    # The last words may have died with the process, on their way to the log: a second of them on a busy machine.
    assert stored["text"].startswith(joined(crash.frames[:-20]))

    # Who comes back with the last number it saw gets the rest and the end.
    with acme.open_socket(crash.conversation) as socket:
        last = crash.frames[-1]["seq"]
        say(socket, type="resume", generation_id=crash.generation, after=last)
        rest = hear_until(socket, "generation.completed", "generation.failed")
    # Numbers go on rising, and no reader keeps a word that the row does not have.
    assert [frame["type"] for frame in rest] == ["generation.snapshot", "generation.failed"]
    assert rest[1]["seq"] == rest[0]["seq"] + 1 > last + 1
    assert joined(crash.frames + rest) == stored["text"]

    question, answer = acme.get(f"/conversations/{crash.conversation}/messages/")["results"]
    assert (question["role"], answer["role"]) == ("user", "assistant")
    assert answer["text"] == stored["text"]
    assert answer["status"] == "interrupted"

    budget = acme.budget()
    assert budget["held"] == "0"
    entries = [row for row in acme.get("/usage/")["results"] if row["conversation_id"] == crash.conversation]
    assert len(entries) == 1
    assert entries[0]["confidence"] == "estimated"
    assert Decimal(entries[0]["cost"]) > 0
    assert product.execute(_HOLDS, crash.conversation) == [("settled", 1)]
    # The conversation is free again.
    again = acme.send(crash.conversation, "And now?", "two")
    assert acme.call("POST", f"/generations/{again['generation_id']}/cancel/", status=202)


def test_a_flushed_message_store_loses_no_word(acme: Outsider, provider: FakeProvider, product: Product) -> None:
    """S-03: Valkey forgets everything mid-stream; reader, latecomer and row have the same text."""
    assistant = acme.published_assistant("Brisk", model=acme.scripted_model(provider.base_url, "brisk"))
    conversation = acme.create("/conversations/", assistant=assistant["slug"])["id"]
    with acme.open_socket(conversation) as socket, redis.Redis.from_url(product.valkey_url) as store:
        say(socket, type="message", client_id="one", text="Go on.")
        frames = hear_until(socket, "generation.delta")
        frames += [hear(socket) for _ in range(10)]
        store.flushdb()
        frames += [hear(socket) for _ in range(10)]
        store.flushdb()
        frames += hear_until(socket, "generation.completed", "generation.failed")
    assert frames[-1]["type"] == "generation.completed"
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))
    generation = acme.get(f"/generations/{frames[0]['generation_id']}/")
    assert generation["status"] == "completed"
    assert len(generation["text"].split()) == 80
    assert joined(frames) == generation["text"]
    store.flushdb()
    latecomer = acme.events(generation["id"])
    assert joined(latecomer) == generation["text"]
    assert latecomer[-1]["type"] == "generation.completed"
    assert acme.budget()["held"] == "0"
