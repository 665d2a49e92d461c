"""The doors of visitors: tokens, whose conversation it is, and how much may be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core import signing
from django.test import Client

from apps.assistants.models import Assistant
from apps.assistants.services.assistants import create_assistant, update_sharing
from apps.assistants.services.versions import publish
from apps.conversations.models import Conversation, Message
from apps.conversations.services import limits, visitors
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat

pytestmark = pytest.mark.django_db(transaction=True)

SITE = "https://www.example.com"


@pytest.fixture
def public_id(chat: Chat) -> str:
    """An assistant that is open to visitors, on its page and on one website."""
    with tenant_tx(chat.tenant_id):
        update_sharing(assistant_id=chat.assistant_id, is_public=True, allowed_origins=[SITE])
        Conversation.objects.all().delete()
        return str(Assistant.objects.get(id=chat.assistant_id).public_id)


@pytest.fixture
def http() -> Client:
    return Client(enforce_csrf_checks=True, headers={"accept": "application/json"})


Post = Callable[..., Any]


def _post(http: Client, path: str, body: Any = None, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return http.post(path, json.dumps(body or {}), content_type="application/json", headers=headers)


def _session(http: Client, public_id: str, **body: Any) -> dict[str, Any]:
    response = _post(http, "/visitor/session/", {"assistant": public_id, **body})
    assert response.status_code == 200, response.content
    session: dict[str, Any] = response.json()
    return session


def _ask(http: Client, token: str, text: str = "How many seats?", **body: Any) -> dict[str, str]:
    response = _post(http, "/visitor/messages/", {"text": text, "client_id": "c", **body}, token)
    assert response.status_code == 202, response.content
    taken: dict[str, str] = response.json()
    return taken


def test_a_visitor_asks_and_finds_the_conversation_again(http: Client, public_id: str) -> None:
    first = _session(http, public_id)
    assert first["conversation_id"] is None
    assert first["html"] == ""
    taken = _ask(http, first["token"])
    assert "How many seats?" in taken["html"]
    again = _session(http, public_id, renew=first["token"])
    assert again["conversation_id"] == taken["conversation_id"]
    assert "How many seats?" in again["html"]
    assert "csrfmiddlewaretoken" not in again["html"]
    fresh = _session(http, public_id, renew=first["token"], is_new=True)
    assert fresh["conversation_id"] is None
    assert _session(http, public_id)["conversation_id"] is None


def test_visitors_do_not_see_each_other(http: Client, public_id: str) -> None:
    """T-07 below the tenant: another visitor of the same assistant finds nothing, whatever the door."""
    mine = _ask(http, _session(http, public_id)["token"])
    other = _session(http, public_id)["token"]
    message, generation = mine["message_id"], mine["generation_id"]
    assert http.get(f"/visitor/messages/{message}/", headers={"Authorization": f"Bearer {other}"}).status_code == 404
    for path, body in (
        ("/visitor/messages/", {"text": "x", "client_id": "c2", "conversation_id": mine["conversation_id"]}),
        (f"/visitor/messages/{message}/rate/", {"value": "up"}),
        (f"/visitor/messages/{message}/regenerate/", {"client_id": "z"}),
        (f"/visitor/generations/{generation}/cancel/", {}),
    ):
        assert _post(http, path, body, other).status_code == 404, path


def test_bad_tokens_open_nothing(http: Client, chat: Chat, public_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = _session(http, public_id)["token"]
    message = _ask(http, token)["message_id"]
    payload = signing.loads(token.removeprefix(visitors.PREFIX), salt="parley.visitor")
    forged = visitors.PREFIX + signing.dumps(payload, key="another-key", salt="parley.visitor")
    elsewhere = visitors.PREFIX + signing.dumps({**payload, "a": str(UUID(int=1))}, salt="parley.visitor")
    other_salt = visitors.PREFIX + signing.dumps(payload, salt="something.else")
    for bad in (forged, elsewhere, other_salt, token[:-2], token + "x", "", "vt_", chat.owner.token):
        headers = {"Authorization": f"Bearer {bad}"}
        response = http.get(f"/visitor/messages/{message}/", headers=headers)
        assert response.status_code == 401, bad
        assert _post(http, "/visitor/messages/", {"text": "x", "client_id": "n"}, bad).status_code == 401, bad
    assert http.get(f"/visitor/messages/{message}/").status_code == 401
    monkeypatch.setattr(visitors, "VALID_FOR", timedelta(seconds=-1))
    assert http.get(f"/visitor/messages/{message}/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    # A token that has run out is still good for one thing: a fresh one for the same visitor.
    renewed = _session_token_of(http, public_id, token, monkeypatch)
    assert http.get(f"/visitor/messages/{message}/", headers={"Authorization": f"Bearer {renewed}"}).status_code == 200


def _session_token_of(http: Client, public_id: str, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(visitors, "VALID_FOR", timedelta(minutes=15))
    return str(_session(http, public_id, renew=token)["token"])


def test_another_assistants_token_is_another_visitor(http: Client, chat: Chat, public_id: str) -> None:
    with tenant_tx(chat.tenant_id):
        second = create_assistant(name="Second", instructions="Help.")
        publish(assistant_id=second.id)
        update_sharing(assistant_id=second.id, is_public=True)
    mine = _ask(http, _session(http, public_id)["token"])
    foreign = _session(http, second.public_id, renew=mine.get("token"))["token"]
    headers = {"Authorization": f"Bearer {foreign}"}
    assert http.get(f"/visitor/messages/{mine['message_id']}/", headers=headers).status_code == 404
    renewed = _session(http, second.public_id, renew=_session(http, public_id)["token"])
    assert renewed["conversation_id"] is None


def test_a_pause_ends_every_session_at_once(http: Client, chat: Chat, public_id: str) -> None:
    token = _session(http, public_id)["token"]
    with tenant_tx(chat.tenant_id):
        update_sharing(assistant_id=chat.assistant_id, is_paused=True)
    assert _post(http, "/visitor/messages/", {"text": "x", "client_id": "n"}, token).status_code == 401
    assert _post(http, "/visitor/session/", {"assistant": public_id}).status_code == 404
    assert _post(http, "/visitor/session/", {"assistant": "nobody"}).status_code == 404
    assert http.get(f"/a/{public_id}/").status_code == 404


def test_cookies_say_nothing_and_none_is_set(http: Client, chat: Chat, public_id: str) -> None:
    """A signed-in owner is a stranger here: only the token counts."""
    message = _ask(http, _session(http, public_id)["token"])["message_id"]
    owner = Client()
    owner.force_login(chat.owner.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert owner.get(f"/visitor/messages/{message}/").status_code == 401
    assert _post(owner, "/visitor/messages/", {"text": "x", "client_id": "n"}).status_code == 401
    for path in (f"/a/{public_id}/", f"/w/{public_id}/", "/widget/v1.js", f"/w/{public_id}/listed/"):
        response = http.get(path)
        assert not response.cookies, path
    assert not _post(http, "/visitor/session/", {"assistant": public_id}).cookies


def test_a_visitor_is_told_to_wait(http: Client, chat: Chat, public_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VISITOR_MESSAGES", 2)
    token = _session(http, public_id)["token"]
    for number in range(2):
        _ask(http, token, client_id=str(number))
    refused = _post(http, "/visitor/messages/", {"text": "x", "client_id": "more"}, token)
    assert refused.status_code == 429
    assert "wait" in refused.json()["detail"]
    assert refused["Retry-After"] == "60"
    with tenant_tx(chat.tenant_id):
        assert Message.objects.filter(role="user").count() == 2
    _ask(http, _session(http, public_id)["token"])


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(http: Client, public_id: str, body: bytes) -> None:
    response = http.post("/visitor/session/", body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["detail"]


def test_the_frame_looks_the_same_for_everything_closed(http: Client, chat: Chat, public_id: str) -> None:
    """A-11: unknown, paused and without websites are the same bytes, framed by nobody."""
    path = f"/w/{public_id}/"
    opened = http.get(path)
    assert f"frame-ancestors {SITE};" in opened["Content-Security-Policy"] + ";"
    listed = {"origin": SITE}
    assert http.get(f"{path}listed/", headers=listed).status_code == 204
    closed = [http.get("/w/nobody-knows-this/"), http.get("/w/nobody-knows-this/listed/", headers=listed)]
    for changes in ({"is_paused": True}, {"is_paused": False, "allowed_origins": []}):
        with tenant_tx(chat.tenant_id):
            update_sharing(assistant_id=chat.assistant_id, **changes)
        closed += [http.get(path), http.get(f"{path}listed/", headers=listed)]
    frames, checks = closed[::2], closed[1::2]
    assert {response.status_code for response in closed} == {404}
    assert len({response.content for response in frames}) == 1
    assert len({response.content for response in checks}) == 1
    for response in closed:
        assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in response


@pytest.mark.parametrize(
    "origin", ["https://example.com", "http://www.example.com", f"{SITE}.evil.example", "null", ""]
)
def test_an_unlisted_website_is_told_nothing(http: Client, public_id: str, origin: str) -> None:
    """A-11."""
    response = http.get(f"/w/{public_id}/listed/", headers={"origin": origin})
    assert response.status_code == 404
    assert "Access-Control-Allow-Origin" not in response
