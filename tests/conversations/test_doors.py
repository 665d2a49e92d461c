"""Every door, spoken to by outsiders' clients over the network."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import openai
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from apps.conversations.models import Conversation
from apps.gateway.services import budgets, rates
from apps.tenants.services.api_keys import create_api_key
from parley.llm.fake import Script
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat, make_chat
from tests.conversations.server import serve

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(chat: Chat) -> Iterator[str]:
    with serve() as address:
        yield address


@pytest.fixture
def http(chat: Chat, host: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{host}", headers=chat.owner.headers, timeout=20) as client:
        yield client


@pytest.fixture
def stranger(tenant_b: Any, host: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://{host}", headers=tenant_b.headers, timeout=20) as client:
        yield client


def start(http: httpx.Client) -> str:
    response = http.post("/api/v1/conversations/", json={"assistant": "guide"})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def send(
    http: httpx.Client, conversation_id: str, text: str = "How many seats?", client_id: str = "c"
) -> dict[str, str]:
    path = f"/api/v1/conversations/{conversation_id}/messages/"
    response = http.post(path, json={"text": text, "client_id": client_id})
    assert response.status_code == 202, response.text
    body: dict[str, str] = response.json()
    return body


def events(http: httpx.Client, generation_id: str, **headers: str) -> list[tuple[int, str, dict[str, Any]]]:
    response = http.get(f"/api/v1/generations/{generation_id}/events/", headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    found = []
    for block in response.text.strip().split("\n\n"):
        if block.startswith("id:"):
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


# -- JSON and event streams ---------------------------------------------------------------------------


def test_the_json_door_from_question_to_rating(http: httpx.Client, chat: Chat) -> None:
    conversation_id = start(http)
    taken = send(http, conversation_id)
    assert send(http, conversation_id) == taken
    found = events(http, taken["generation_id"])
    assert [seq for seq, _, _ in found] == list(range(1, len(found) + 1))
    assert found[-1][1] == "generation.completed"
    text = "".join(frame["text"] for _, kind, frame in found if kind == "generation.delta")
    listed = http.get(f"/api/v1/conversations/{conversation_id}/messages/").json()["results"]
    assert [message["role"] for message in listed] == ["user", "assistant"]
    assert listed[1]["text"] == text == "The Team plan includes 15 seats."
    assert listed[1] == found[-1][2]["message"]
    generation = http.get(f"/api/v1/generations/{taken['generation_id']}/").json()
    assert (generation["status"], generation["text"], generation["seq"]) == ("completed", text, len(found))
    assert generation["usage"]["output_tokens"] > 0
    rating = f"/api/v1/messages/{taken['message_id']}/rating/"
    given = {"value": "down", "reasons": ["wrong_source"], "comment": "Not there"}
    assert http.put(rating, json=given).json() == given
    assert http.put(rating, json={"value": "up"}).json() == {"value": "up", "reasons": [], "comment": ""}
    assert http.get(f"/api/v1/messages/{taken['message_id']}/").json()["rating"]["value"] == "up"
    assert http.put(rating, json={"value": "sideways"}).status_code == 400
    assert http.put(rating, json={"value": "up", "reasons": ["because"]}).json()["errors"]["reasons"]


def test_an_event_stream_resumes_and_ends(http: httpx.Client) -> None:
    taken = send(http, start(http))
    whole = events(http, taken["generation_id"])
    rest = events(http, taken["generation_id"], **{"Last-Event-ID": "2"})
    assert rest[-1] == whole[-1]
    seen = str(whole[-1][0])
    path = f"/api/v1/generations/{taken['generation_id']}/events/"
    assert http.get(path, headers={"Last-Event-ID": seen}).status_code == 204
    assert http.get(path, headers={"Last-Event-ID": "many"}).status_code == 400
    assert httpx.get(f"{http.base_url}{path}").status_code == 401


def test_strangers_find_nothing(http: httpx.Client, stranger: httpx.Client, chat: Chat) -> None:
    """T-07, S-08: another organisation's conversations do not exist, also for cancelling."""
    chat.plan(Script(token_count=2_000, token_delay=0.02))
    conversation_id = start(http)
    taken = send(http, conversation_id)
    generation, message = taken["generation_id"], taken["message_id"]
    answers = [
        stranger.get(f"/api/v1/conversations/{conversation_id}/"),
        stranger.get(f"/api/v1/conversations/{conversation_id}/messages/"),
        stranger.post(f"/api/v1/conversations/{conversation_id}/messages/", json={"text": "x", "client_id": "y"}),
        stranger.get(f"/api/v1/generations/{generation}/"),
        stranger.get(f"/api/v1/generations/{generation}/events/"),
        stranger.post(f"/api/v1/generations/{generation}/cancel/"),
        stranger.get(f"/api/v1/messages/{message}/"),
        stranger.put(f"/api/v1/messages/{message}/rating/", json={"value": "up"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert http.get(f"/api/v1/generations/{generation}/").json()["status"] == "running"
    assert http.post(f"/api/v1/generations/{generation}/cancel/").status_code == 202
    assert events(http, generation)[-1][2]["message"]["status"] == "cancelled"


def test_over_budget_says_which_limit_and_until_when(http: httpx.Client, chat: Chat) -> None:
    """B-12."""
    from decimal import Decimal

    with tenant_tx(chat.tenant_id):
        budgets.set_limit(limit=Decimal("0.000001"))
    response = http.post(
        f"/api/v1/conversations/{start(http)}/messages/", json={"text": "Hello there", "client_id": "c"}
    )
    assert response.status_code == 402
    assert response.json()["scope"]
    assert response.json()["resets_at"]


# -- sockets ------------------------------------------------------------------------------------------


async def _until(socket: ClientConnection, *kinds: str) -> list[dict[str, Any]]:
    found = []
    async with asyncio.timeout(10):
        while True:
            found.append(json.loads(await socket.recv()))
            if found[-1]["type"] in kinds:
                return found


async def _close_code(socket: ClientConnection) -> int:
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return int(socket.close_code or 0)


def _url(host: str, conversation_id: UUID | str) -> str:
    return f"ws://{host}/ws/v1/conversations/{conversation_id}/"


async def _enter(socket: ClientConnection, token: str) -> None:
    await socket.send(json.dumps({"type": "auth", "token": token}))
    assert (await _until(socket, "ready", "error"))[-1]["type"] == "ready"


def test_a_socket_sends_streams_resumes_and_answers_pings(chat: Chat, host: str) -> None:
    chat.plan(Script(token_count=40, token_delay=0.02))

    async def talk() -> None:
        async with (
            connect(_url(host, chat.conversation_id)) as socket,
            connect(_url(host, chat.conversation_id)) as other_tab,
        ):
            await _enter(socket, chat.owner.token)
            await _enter(other_tab, chat.owner.token)
            await socket.send('{"type": "ping"}')
            await _until(socket, "pong")
            message = {"type": "message", "client_id": "c", "text": "How many?"}
            await socket.send(json.dumps(message))
            await socket.send(json.dumps(message))
            begun = await _until(socket, "generation.delta")
            generation_id, last = begun[-1]["generation_id"], begun[-1]["seq"]
            await socket.close()
            text = "".join(frame.get("text", "") for frame in begun)
            async with connect(_url(host, chat.conversation_id)) as again:
                await _enter(again, chat.owner.token)
                await again.send(json.dumps({"type": "resume", "generation_id": generation_id, "after": last}))
                rest = await _until(again, "generation.completed")
            for frame in rest:
                text = frame["text"] if frame["type"] == "generation.snapshot" else text + frame.get("text", "")
            assert text == rest[-1]["message"]["text"]
            assert [frame["seq"] for frame in rest] == list(range(last + 1, last + 1 + len(rest)))
            elsewhere = await _until(other_tab, "generation.completed")
            assert elsewhere[-1] == rest[-1]

    asyncio.run(talk())
    assert len(chat.fake.calls) == 1


def test_a_socket_renders_closed_blocks_for_pages_only(chat: Chat, host: str) -> None:
    chat.plan(Script(text="First *paragraph*.\n\n<script>alert(1)</script> second.\n\nThird.", token_delay=0.06))

    async def talk(query: str) -> list[dict[str, Any]]:
        async with connect(_url(host, chat.another_conversation_in_thread()) + query) as socket:
            await _enter(socket, chat.owner.token)
            await socket.send(json.dumps({"type": "message", "client_id": "c", "text": "Write."}))
            return await _until(socket, "generation.completed")

    plain = asyncio.run(talk(""))
    rendered = asyncio.run(talk("?render=1"))
    assert not [frame for frame in plain if frame["type"] == "render.block"]
    assert "html" not in plain[-1]["message"]
    blocks = [frame for frame in rendered if frame["type"] == "render.block"]
    assert [block["index"] for block in blocks] == [0, 1]
    assert "<em>paragraph</em>" in blocks[0]["html"]
    assert "<script" not in blocks[1]["html"]
    assert "<em>paragraph</em>" in rendered[-1]["message"]["html"]


def test_a_socket_stops_a_run_and_keeps_a_foreign_one(chat: Chat, host: str, tenant_b: Any) -> None:
    """S-08."""
    chat.plan(Script(token_count=400, token_delay=0.02))
    other = make_chat(chat.fake, tenant_b)

    async def talk() -> None:
        async with (
            connect(_url(host, chat.conversation_id)) as socket,
            connect(_url(host, other.conversation_id)) as foreign,
        ):
            await _enter(socket, chat.owner.token)
            await _enter(foreign, other.owner.token)
            await socket.send(json.dumps({"type": "message", "client_id": "c", "text": "Go on."}))
            generation_id = (await _until(socket, "generation.delta"))[-1]["generation_id"]
            for kind in ("cancel", "resume"):
                await foreign.send(json.dumps({"type": kind, "generation_id": generation_id}))
                assert (await _until(foreign, "error"))[-1]["status"] == 404
            started = time.monotonic()
            await socket.send(json.dumps({"type": "cancel", "generation_id": generation_id}))
            ended = (await _until(socket, "generation.completed"))[-1]
            assert time.monotonic() - started < 1
            assert ended["message"]["status"] == "cancelled"

    asyncio.run(talk())


def test_sockets_turn_away_whoever_may_not_enter(
    chat: Chat, host: str, tenant_b: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-12: foreign origins before anything is accepted, missing and wrong tokens, big and many frames."""
    from apps.conversations.consumers import socket as socket_module

    monkeypatch.setattr(socket_module, "AUTH_SECONDS", 0.3)
    url = _url(host, chat.conversation_id)

    async def code_of(*said: str, to: str = url) -> int:
        async with connect(to, max_size=None) as socket:
            for text in said:
                await socket.send(text)
            return await _close_code(socket)

    def auth(token: str) -> str:
        return json.dumps({"type": "auth", "token": token})

    async def knock() -> None:
        with pytest.raises(InvalidStatus):
            async with connect(url, origin="https://evil.example"):  # type: ignore[arg-type] # any text
                pass
        assert await code_of() == 4401
        assert await code_of(auth("wrong")) == 4401
        assert await code_of('{"type": "ping"}') == 4401
        assert await code_of("not json") == 4400
        assert await code_of(auth(tenant_b.token)) == 4404
        assert await code_of(auth(chat.owner.token), to=_url(host, uuid4())) == 4404
        assert await code_of(auth(chat.owner.token), json.dumps({"type": "x" * 70_000})) == 1009
        assert await code_of(auth(chat.owner.token), *['{"type": "ping"}'] * 60) == 4429

    asyncio.run(knock())


def test_a_revoked_key_closes_its_sockets(chat: Chat, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A-04."""
    from apps.conversations.consumers import socket as socket_module
    from apps.tenants.services.api_keys import revoke_api_key

    monkeypatch.setattr(socket_module, "RECHECK_SECONDS", 0.2)
    with tenant_tx(chat.tenant_id):
        key = create_api_key(name="short", scopes=chat.actor.permissions, created_by=chat.owner.owner)

    async def talk() -> int:
        async with connect(_url(host, chat.conversation_id)) as socket:
            await _enter(socket, key.token)
            await asyncio.to_thread(revoke)
            return await _close_code(socket)

    def revoke() -> None:
        from django.db import connection

        with tenant_tx(chat.tenant_id):
            revoke_api_key(key_id=key.id)
        connection.close()

    assert asyncio.run(talk()) == 4401


# -- the OpenAI-compatible door ------------------------------------------------------------------------


@pytest.fixture
def client(chat: Chat, host: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://{host}/v1", api_key=chat.owner.token, max_retries=0, timeout=20) as made:
        yield made


ASK: Any = [{"role": "user", "content": "How many seats?"}]


def test_the_official_client_gets_answers_streams_and_models(client: openai.OpenAI, chat: Chat) -> None:
    whole = client.chat.completions.create(model="guide", messages=ASK)
    assert whole.choices[0].message.content == "The Team plan includes 15 seats."
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    assert abs(whole.created - time.time()) < 60
    assert whole.model_extra == {"citations": []}
    chunks = list(
        client.chat.completions.create(model="guide", messages=ASK, stream=True, stream_options={"include_usage": True})
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    with client.chat.completions.with_streaming_response.create(model="guide", messages=ASK) as raw:
        assert json.loads(raw.read())["object"] == "chat.completion"
    with client.chat.completions.stream(model="guide", messages=ASK) as stream:
        assert stream.get_final_completion().choices[0].message.content == text
    assert [model.id for model in client.models.list()] == ["guide"]
    assert client.models.retrieve("guide").object == "model"


def test_the_request_brings_its_history_instructions_and_limits(client: openai.OpenAI, chat: Chat) -> None:
    client.chat.completions.create(
        model="guide",
        messages=[
            {"role": "system", "content": "Answer like a pirate."},
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello Ada."},
            {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
        ],
        max_tokens=50,
        temperature=0,
    )
    body = chat.fake.calls[-1].body
    said = json.dumps(body)
    for text in ("Help people.", "Answer like a pirate.", "My name is Ada.", "Hello Ada.", "What is my name?"):
        assert text in said
    assert body["temperature"] == 0
    with tenant_tx(chat.tenant_id):
        assert Conversation.objects.filter(channel="openai").count() == 1


def test_errors_are_the_clients_own_classes(client: openai.OpenAI, chat: Chat, host: str) -> None:
    with pytest.raises(openai.NotFoundError, match="slug") as missing:
        client.chat.completions.create(model="nobody", messages=ASK)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="guide", messages=[])
    assert bad.value.param == "messages"
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="guide", messages=ASK, n=2)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"http://{host}/v1", api_key="pk_wrong", max_retries=0).models.list()
    with tenant_tx(chat.tenant_id):
        key = create_api_key(name="reader", scopes=["conversations.view"], created_by=chat.owner.owner)
    with pytest.raises(openai.PermissionDeniedError):
        openai.OpenAI(base_url=f"http://{host}/v1", api_key=key.token, max_retries=0).chat.completions.create(
            model="guide", messages=ASK
        )
    chat.plan(Script(fault="401"))
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="guide", messages=ASK)
    assert "Traceback" not in str(failed.value)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="guide", messages=ASK, stream=True))


def test_whoever_asks_too_fast_is_told_how_long_to_wait(client: openai.OpenAI, chat: Chat, http: httpx.Client) -> None:
    """The official client raises its own class, with `Retry-After`; the API answers with a problem document."""
    with tenant_tx(chat.tenant_id):
        rates.set_rate_limit(scope="key", requests_per_minute=1, tokens_per_minute=None, concurrent=None)
    ask: Any = {"model": "guide", "messages": [{"role": "user", "content": "How many seats?"}]}
    client.chat.completions.create(**ask)
    with pytest.raises(openai.RateLimitError) as refused:
        client.chat.completions.create(**ask)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 120
    path = f"/api/v1/conversations/{start(http)}/messages/"
    response = http.post(path, json={"text": "Again?", "client_id": "again"})
    assert response.status_code == 429
    assert "This API key may use 1 request a minute" in response.json()["detail"]
    assert int(response.headers["Retry-After"]) >= 1


def test_faults_of_providers_have_openais_own_shape(client: openai.OpenAI, chat: Chat) -> None:
    """S-11: too many calls, and an answer declined by content rules, whole and streamed."""
    chat.plan(Script(fault="429", retry_after="9"))
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="guide", messages=ASK)
    assert limited.value.code == "rate_limit_exceeded"
    chat.plan(Script(fault="filter", token_count=0))
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="guide", messages=ASK)
    assert refused.value.code == "content_policy_violation"
    with pytest.raises(openai.APIError) as streamed:
        list(client.chat.completions.create(model="guide", messages=ASK, stream=True))
    assert streamed.value.code == "content_policy_violation"


def test_a_client_that_hangs_up_ends_its_call(client: openai.OpenAI, chat: Chat) -> None:
    chat.plan(Script(token_count=500, token_delay=0.02))
    stream = client.chat.completions.create(model="guide", messages=ASK, stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    deadline = time.monotonic() + 3
    while not chat.fake.calls[-1].was_closed_by_client and time.monotonic() < deadline:
        time.sleep(0.05)
    assert chat.fake.calls[-1].was_closed_by_client
