"""The main job as a stranger does it: real processes, an API key, an HTTP and a WebSocket client, the contract."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from parley.llm.fake import FakeProvider, Script
from tests.journeys.product import Outsider, Product, hear, hear_until, joined, running_product, say, until
from tests.services import TestServices

pytestmark = pytest.mark.xdist_group("journeys")

FACT = "The Zanzibar plan costs 47 florins per month."
QUESTION = "How much does the Zanzibar plan cost per month?"
PARAGRAPHS = ("Every plan can be ended on any day.", FACT, "Invoices are sent by carrier pigeon on Mondays.")


def a_pdf() -> bytes:
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A4)
    canvas.setFont("Helvetica-Bold", 20)
    canvas.drawString(72, 760, "Prices")
    canvas.setFont("Helvetica", 11)
    for line, words in enumerate(PARAGRAPHS):
        canvas.drawString(72, 720 - 30 * line, words)
    canvas.save()
    return target.getvalue()


def a_docx() -> bytes:
    document = Document()
    document.add_heading("Prices", level=1)
    for words in PARAGRAPHS:
        document.add_paragraph(words)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def an_html() -> bytes:
    body = "".join(f"<p>{words}</p>" for words in PARAGRAPHS)
    return f"<!doctype html><title>Prices</title><body><h1>Prices</h1>{body}</body>".encode()


def a_markdown() -> bytes:
    return ("# Prices\n\n" + "\n\n".join(PARAGRAPHS)).encode()


FILES = {
    "prices.pdf": (a_pdf, "application/pdf"),
    "prices.docx": (a_docx, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "prices.html": (an_html, "text/html"),
    "prices.md": (a_markdown, "text/markdown"),
}


@pytest.fixture(scope="module")
def product(test_services: TestServices, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("outsider")
    with running_product(test_services, folder, name=f"parley_outsider_{worker_id}", valkey_database=12) as product:
        yield product


@pytest.fixture(scope="module")
def keys(product: Product) -> dict[str, str]:
    keys = product.set_up("acme", "birch", "cedar")
    product.wait_for_web()
    return keys


@pytest.fixture(scope="module")
def acme(product: Product, keys: dict[str, str]) -> Iterator[Outsider]:
    with Outsider(product, keys["acme"]) as acme:
        yield acme


@pytest.fixture(scope="module")
def birch(product: Product, keys: dict[str, str]) -> Iterator[Outsider]:
    with Outsider(product, keys["birch"]) as birch:
        yield birch


@pytest.fixture(scope="module")
def cedar(product: Product, keys: dict[str, str]) -> Iterator[Outsider]:
    with Outsider(product, keys["cedar"]) as cedar:
        yield cedar


@pytest.fixture(scope="module")
def documents(acme: Outsider) -> dict[str, tuple[str, str]]:
    """For each file its knowledge base and its document; all are being indexed at once."""
    started = {}
    for name, (make, media_type) in FILES.items():
        base = acme.create("/knowledge-bases/", name=f"Base of {name}")["id"]
        started[name] = (base, acme.upload(base, name, make(), media_type))
    return started


@pytest.fixture(scope="module")
def guide(acme: Outsider, documents: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """An assistant with nothing but a name, instructions and the PDF's knowledge base."""
    base, document = documents["prices.pdf"]
    acme.until_indexed(document)
    return acme.published_assistant("Guide", (base,))


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.mark.parametrize("name", FILES)
def test_a_file_never_seen_before_is_found(acme: Outsider, documents: dict[str, tuple[str, str]], name: str) -> None:
    base, document = documents[name]
    shown = acme.until_indexed(document)
    assert shown["progress"] == 1
    assert shown["name"] == name
    body = {"query": QUESTION, "limit": 3}
    passages = acme.call("POST", f"/knowledge-bases/{base}/search/", status=200, json=body)["passages"]
    assert passages[0].keys() >= {"chunk_id", "document_id", "title", "text", "score", "location"}
    assert FACT in passages[0]["text"]
    assert passages[0]["document_id"] == document


def test_an_answer_over_the_socket_cites_the_fact(
    acme: Outsider, documents: dict[str, tuple[str, str]], guide: dict[str, Any]
) -> None:
    """Frames rise by one, deltas join to the stored text, the cited passage holds the fact; rated and read back."""
    conversation = acme.create("/conversations/", assistant=guide["slug"])["id"]
    with acme.open_socket(conversation) as socket:
        say(socket, type="message", client_id="one", text=QUESTION)
        frames = hear_until(socket, "generation.completed", "generation.failed")
        say(socket, type="ping")
        assert hear(socket)["type"] == "pong"
    kinds = [frame["type"] for frame in frames]
    assert kinds[0] == "generation.started"
    assert "generation.retrieved" in kinds
    assert kinds[-1] == "generation.completed"
    generation = frames[0]["generation_id"]
    assert {frame["generation_id"] for frame in frames} == {generation}
    assert [frame["seq"] for frame in frames] == list(range(1, len(frames) + 1))

    question, answer = acme.get(f"/conversations/{conversation}/messages/")["results"]
    assert question["text"] == QUESTION
    assert joined(frames) == frames[-1]["message"]["text"] == answer["text"]
    assert "47 florins" in answer["text"]
    assert answer["citations"]
    for citation in answer["citations"]:
        assert f"[{citation['marker']}]" in answer["text"]
    cited = next(citation for citation in answer["citations"] if FACT in citation["text"])
    document = documents["prices.pdf"][1]
    assert cited["document_id"] == document
    chunks = {row["id"]: row["text"] for row in acme.get(f"/documents/{document}/chunks/")["results"]}
    assert chunks[cited["chunk_id"]] == cited["text"]

    rating = {"value": "up", "reasons": ["correct"], "comment": "Ünïcode ✓ and a <b>tag</b>"}
    acme.call("PUT", f"/messages/{answer['id']}/rating/", status=200, json=rating)
    assert acme.get(f"/conversations/{conversation}/messages/")["results"][1]["rating"] == rating


def test_the_event_stream_resumes_where_it_broke_off(acme: Outsider, guide: dict[str, Any]) -> None:
    conversation = acme.create("/conversations/", assistant=guide["id"])["id"]
    taken = acme.send(conversation, QUESTION, "one")
    assert acme.send(conversation, QUESTION, "one") == taken
    start = acme.events(taken["generation_id"], until_seq=3)
    rest = acme.events(taken["generation_id"], after=3)
    assert [frame["seq"] for frame in start + rest] == list(range(1, rest[-1]["seq"] + 1))
    assert rest[-1]["type"] == "generation.completed"
    generation = acme.get(f"/generations/{taken['generation_id']}/")
    assert joined(start + rest) == generation["text"]
    assert generation["status"] == "completed"
    assert generation["seq"] == rest[-1]["seq"]
    path = f"/generations/{taken['generation_id']}/events/"
    acme.call("GET", path, status=204, headers={"Last-Event-ID": str(rest[-1]["seq"])})


def test_a_cancelled_answer_keeps_the_words_that_were_shown(acme: Outsider, provider: FakeProvider) -> None:
    provider.script("slow", Script(token_count=500, token_delay=0.02))
    assistant = acme.published_assistant("Slow", model=acme.scripted_model(provider.base_url, "slow"))
    conversation = acme.create("/conversations/", assistant=assistant["slug"])["id"]
    with acme.open_socket(conversation) as socket:
        say(socket, type="message", client_id="one", text="Go on.")
        frames = hear_until(socket, "generation.delta")
        generation = frames[0]["generation_id"]
    # The socket is gone, the run is not: a second one takes up where the first was.
    with acme.open_socket(conversation) as socket:
        say(socket, type="resume", generation_id=generation, after=frames[-1]["seq"])
        frames += hear_until(socket, "generation.delta")
        say(socket, type="cancel", generation_id=generation)
        frames += hear_until(socket, "generation.completed", "generation.failed")
    stored = acme.ended_generation(generation, within=10)
    assert stored["status"] == "cancelled"
    assert joined(frames) == stored["text"] == frames[-1]["message"]["text"]
    assert stored["text"].startswith("word0 word1")
    assert acme.budget()["held"] == "0"
    entry = acme.get("/usage/")["results"][0]
    assert entry["conversation_id"] == conversation
    assert entry["cost"] == stored["usage"]["cost"].rstrip("0")
    assert float(entry["cost"]) > 0


def test_the_openai_client_works_unchanged(acme: Outsider, guide: dict[str, Any], product: Product) -> None:
    """Models, an answer whole and streamed, real usage, citations beside it, and the client's own error classes."""
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key=acme.key, max_retries=0) as client:
        assert guide["slug"] in [model.id for model in client.models.list()]
        whole = client.chat.completions.create(model=guide["slug"], messages=messages)
        text = whole.choices[0].message.content or ""
        assert "47 florins" in text
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
        assert any(FACT in citation["text"] for citation in (whole.model_extra or {})["citations"])
        chunks = list(
            client.chat.completions.create(
                model=guide["slug"], messages=messages, stream=True, stream_options={"include_usage": True}
            )
        )
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage == whole.usage
        with pytest.raises(openai.NotFoundError) as unknown:
            client.chat.completions.create(model="no-such-assistant", messages=messages)
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=guide["slug"], messages=[])
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="pk_wrong").chat.completions.create(model=guide["slug"], messages=messages)


def test_another_organisation_finds_nothing(
    acme: Outsider, birch: Outsider, documents: dict[str, tuple[str, str]], guide: dict[str, Any]
) -> None:
    """T-07 from outside: every address of acme's things is 404 for birch, and its lists are empty."""
    conversation = acme.create("/conversations/", assistant=guide["slug"])["id"]
    taken = acme.send(conversation, QUESTION, "one")
    base, document = documents["prices.pdf"]
    for path in (
        f"/knowledge-bases/{base}/",
        f"/knowledge-bases/{base}/documents/",
        f"/documents/{document}/",
        f"/documents/{document}/chunks/",
        f"/assistants/{guide['id']}/",
        f"/assistants/{guide['slug']}/versions/",
        f"/conversations/{conversation}/",
        f"/conversations/{conversation}/messages/",
        f"/messages/{taken['message_id']}/",
        f"/generations/{taken['generation_id']}/",
        f"/generations/{taken['generation_id']}/events/",
    ):
        acme.http.get(path).raise_for_status()
        assert birch.call("GET", path, status=404)["detail"]
    birch.call("POST", f"/knowledge-bases/{base}/search/", status=404, json={"query": QUESTION})
    birch.call("POST", "/conversations/", status=404, json={"assistant": guide["slug"]})
    birch.call("POST", f"/generations/{taken['generation_id']}/cancel/", status=404)
    birch.call("PUT", f"/messages/{taken['message_id']}/rating/", status=404, json={"value": "up"})
    fields = {"name": "Thief", "instructions": "x", "knowledge_base_ids": [base]}
    assert birch.http.post("/assistants/", json=fields).status_code in (400, 404)
    for path in ("/knowledge-bases/", "/assistants/", "/conversations/", "/usage/"):
        assert birch.get(path)["results"] == []
    with connect(acme.socket_url(conversation)) as socket:
        say(socket, type="auth", token=birch.key)
        assert hear(socket)["type"] == "error"


def test_an_empty_budget_refuses_with_scope_and_reset(
    cedar: Outsider, product: Product, provider: FakeProvider
) -> None:
    """402 says whose budget and until when; no word reaches the provider, and no half message stays behind."""
    assistant = cedar.published_assistant("Dear", model=cedar.scripted_model(provider.base_url, "dear"))
    limit = {"limit": "0"}
    cedar.call("PATCH", f"/budgets/{cedar.budget()['id']}/", status=200, json=limit)
    conversation = cedar.create("/conversations/", assistant=assistant["slug"])["id"]
    body = {"text": "Hello?", "client_id": "one"}
    refused = cedar.http.post(f"/conversations/{conversation}/messages/", json=body)
    assert refused.status_code == 402
    assert refused.headers["content-type"].startswith("application/problem+json")
    problem = refused.json()
    assert problem["scope"] == "tenant"
    assert problem["resets_at"][:10].endswith("-01")
    assert problem["detail"]
    with openai.OpenAI(base_url=f"{product.url}/v1", api_key=cedar.key, max_retries=0) as client:
        with pytest.raises(openai.APIStatusError) as over:
            client.chat.completions.create(model=assistant["slug"], messages=[{"role": "user", "content": "Hello?"}])
        assert over.value.status_code == 402
        assert over.value.code == "insufficient_quota"
    assert cedar.get(f"/conversations/{conversation}/messages/")["results"] == []
    assert "dear" not in [call.model for call in provider.calls]
    cedar.call("PATCH", f"/budgets/{cedar.budget()['id']}/", status=200, json={"limit": None})
    taken = cedar.send(conversation, "Hello?", "one")
    assert cedar.ended_generation(taken["generation_id"], within=10)["status"] == "completed"
    (entry,) = until(lambda: cedar.get("/usage/")["results"], within=5, every=0.1)
    assert entry["purpose"] == "chat"
    assert entry["output_tokens"] == 20
    budget = cedar.budget()
    assert budget["held"] == "0"
    assert budget["spent"] == entry["cost"]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"{not json", "application/json"),
        (b'{"name": "caf\xe9"}', "application/json"),
        (b"[]", "application/json"),
        (b'{"name": {"a": 1}}', "application/json"),
        (b'{"name": "nul \\u0000"}', "application/json"),
        (b'{"name": "half \\ud83d"}', "application/json"),
        (b"<name/>", "application/xml"),
        (b"", "application/json"),
    ],
)
def test_nonsense_gets_a_sentence(acme: Outsider, content: bytes, media_type: str) -> None:
    for path in ("/knowledge-bases/", "/assistants/", "/conversations/", "/datasets/"):
        response = acme.http.post(path, content=content, headers={"Content-Type": media_type})
        assert response.status_code in (400, 415), f"{path}: {response.status_code} {response.text}"
        assert response.headers["content-type"].startswith("application/problem+json")
        assert response.json()["detail"]
        assert "Traceback" not in response.text


def test_without_a_key_nothing_opens(product: Product, keys: dict[str, str]) -> None:
    for path in ("assistants/", "knowledge-bases/", "conversations/", "usage/"):
        response = httpx.get(f"{product.url}/api/v1/{path}")
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_the_openai_door_refuses_nonsense_in_its_own_shape(acme: Outsider, guide: dict[str, Any]) -> None:
    url = f"{acme.product.url}/v1/chat/completions"
    asks = [{"role": "user", "content": "Hi"}]
    bodies = {
        b"{": 400,
        b"[" * 50_000: 400,
        b"x" * 6_000_000: 413,
        json.dumps({"model": "\0", "messages": asks}).encode(): 400,
        json.dumps({"model": guide["slug"], "messages": [{"role": "system", "content": "a\0"}, *asks]}).encode(): 200,
    }
    for body, status in bodies.items():
        response = acme.http.post(url, content=body)
        assert response.status_code == status, (body[:60], response.text[:200])
        assert status == 200 or response.json()["error"]["message"]


def test_a_socket_survives_nonsense(acme: Outsider, guide: dict[str, Any]) -> None:
    conversation = acme.create("/conversations/", assistant=guide["slug"])["id"]
    with acme.open_socket(conversation) as socket:
        for frame in (
            {"type": "dance"},
            {"type": "message", "text": "Hi", "client_id": "\0"},
            {"type": "message", "text": "Hi", "client_id": "half \ud83d"},
            {"type": "resume", "generation_id": "x"},
            {"type": "cancel"},
        ):
            say(socket, **frame)
            assert hear(socket)["type"] == "error"
        say(socket, type="message", text="half \ud83d of a pair", client_id="one")
        assert hear_until(socket, "generation.completed", "generation.failed")[-1]["type"] == "generation.completed"
    with pytest.raises(InvalidStatus) as refused, connect(acme.product.url.replace("http", "ws") + "/ws/v1/nothing/"):
        pass
    assert refused.value.response.status_code == 403
    response = acme.http.post(f"/generations/{conversation}/events/")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
