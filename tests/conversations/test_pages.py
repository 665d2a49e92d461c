"""The pages of conversations: the list, reading, and talking without script."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.assistants.models import Assistant
from apps.assistants.services.assistants import update_sharing
from apps.conversations.enums import Channel, GenerationStatus
from apps.conversations.models import Conversation, Message, Rating
from apps.conversations.services.ratings import rate_message
from parley.llm.fake import Script
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat
from tests.conversations.server import serve
from tests.conversations.threads import add_exchange, cite, make_conversation
from tests.factories.tenants import add_member

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/t/acme/conversations/"
CHAT = "/t/acme/assistants/guide/chat/"


@pytest.fixture
def client(chat: Chat) -> Client:
    """The owner's browser, without script. Only the conversations a test makes are there."""
    with tenant_tx(chat.tenant_id):
        Conversation.objects.all().delete()
    return _signed_in(chat.owner.owner)


def _signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def _get(client: Client, path: str, *, expect: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == expect, response.content[:1000]
    text: str = response.content.decode()
    return text


def _exchange(chat: Chat, question: str = "How many seats?", *, user: Any = None, **fields: Any) -> Message:
    with tenant_tx(chat.tenant_id):
        assistant = Assistant.objects.get(id=chat.assistant_id)
        conversation = make_conversation(assistant, title=question, user=user, **fields)
        answer = add_exchange(conversation, question, "The Team plan includes 15 seats [1].")
        cite(answer, 1, quote="The Team plan includes 15 seats.")
        return answer


# -- the list -----------------------------------------------------------------------------------------


def test_the_list_shows_what_was_asked_and_filters_it(chat: Chat, client: Client) -> None:
    good = _exchange(chat, "How many seats?")
    bad = _exchange(chat, "Which colours?", channel=Channel.WIDGET)
    _exchange(chat, "Only a draft's test", channel=Channel.TEST)
    with tenant_tx(chat.tenant_id):
        rate_message(message=good, value="up")
        rate_message(message=bad, value="down", reasons=["wrong"])
    everything = _get(client, LIST)
    assert "How many seats?" in everything
    assert "Which colours?" in everything
    assert "Only a draft" not in everything
    for query, shown in (
        ("?rating=up", ["How many seats?"]),
        ("?rating=down", ["Which colours?"]),
        ("?channel=widget", ["Which colours?"]),
        ("?channel=test", ["Only a draft&#x27;s test"]),
        ("?q=colour", ["Which colours?"]),
        ("?q=15+seats&rating=up", ["How many seats?"]),
        ("?q=nothing+like+it", []),
        ("?rating=sideways&channel=moon", ["How many seats?", "Which colours?"]),
    ):
        page = _get(client, LIST + query)
        found = re.findall(r'class="cell-main"><a href="[^"]+">([^<]+)<', page)
        assert sorted(found) == sorted(shown), query
        assert ("Nothing matches" in page) is not bool(shown)


def test_an_empty_list_says_what_to_do(chat: Chat, client: Client) -> None:
    assert "Ask the first question" in _get(client, LIST)


def test_lists_and_chats_cost_the_same_for_more_rows(chat: Chat, client: Client) -> None:
    def count(path: str) -> int:
        own, platform = (CaptureQueriesContext(connections[name]) for name in ("default", "platform"))
        with own, platform:
            _get(client, path)
        return len(own) + len(platform)

    answer = _exchange(chat)
    chat_page = f"{LIST}{answer.conversation_id}/"
    _get(client, LIST)
    few = count(LIST), count(chat_page)
    for _ in range(2):
        _exchange(chat)
        with tenant_tx(chat.tenant_id):
            more = add_exchange(Conversation.objects.get(id=answer.conversation_id), "And?", "More [1].")
            cite(more, 1)
            rate_message(message=more, value="up")
    assert (count(LIST), count(chat_page)) == few
    assert max(few) <= 12


# -- reading ------------------------------------------------------------------------------------------


def test_a_conversation_shows_its_passages_without_script(chat: Chat, client: Client) -> None:
    answer = _exchange(chat, user=chat.owner.owner)
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert f'href="#source-{answer.id}-1"' in page
    # Inside the details, not on it: that is what makes a browser open it for the link.
    assert re.search(rf'<details[^>]*>.*?<div class="source-text" id="source-{answer.id}-1"', page, re.DOTALL)
    assert "<mark>The Team plan includes 15 seats.</mark> Ask us for more." in page
    assert "Open the page" not in page


def test_a_passage_from_the_web_leads_to_its_page(chat: Chat, client: Client) -> None:
    answer = _exchange(chat, user=chat.owner.owner)
    with tenant_tx(chat.tenant_id):
        cite(answer, 2, url="https://example.com/plans?a=1&b=2")
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert 'href="https://example.com/plans?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow"' in page
    assert "data-composer" in page
    assert page.count('aria-current="page"') >= 1
    assert re.search(r'aria-current="page"[^>]*>(?:(?!</a>).)*Conversations', page, re.DOTALL)


def test_somebody_elses_conversation_is_read_only(chat: Chat, client: Client) -> None:
    other = add_member(chat.owner.tenant, "grace@acme.example", "editor")
    answer = _exchange(chat, user=other)
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert "You are reading" in page
    assert "data-composer" not in page
    assert "data-regenerate" not in page
    said = {"text": "In her name", "client_id": "x", "conversation_id": str(answer.conversation_id)}
    assert client.post(f"{CHAT}send/", said).status_code == 403
    assert client.post(f"{LIST}messages/{answer.id}/regenerate/", {"client_id": "y"}).status_code == 403
    with tenant_tx(chat.tenant_id):
        assert Message.objects.filter(conversation_id=answer.conversation_id).count() == 2


def test_an_ended_assistant_leaves_its_conversations_readable(chat: Chat, client: Client) -> None:
    from apps.assistants.services.assistants import delete_assistant

    answer = _exchange(chat, user=chat.owner.owner)
    with tenant_tx(chat.tenant_id):
        update_sharing(assistant_id=chat.assistant_id, is_paused=True)
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert "15 seats" in page
    assert "data-composer" not in page
    assert "paused" in page
    with tenant_tx(chat.tenant_id):
        delete_assistant(assistant_id=chat.assistant_id)
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert "15 seats" in page
    assert "data-composer" not in page


def test_viewers_read_and_cannot_speak(chat: Chat) -> None:
    answer = _exchange(chat)
    client = _signed_in(add_member(chat.owner.tenant, "view@acme.example", "viewer"))
    _get(client, LIST)
    page = _get(client, f"{LIST}{answer.conversation_id}/")
    assert "data-composer" not in page
    _get(client, CHAT, expect=403)
    assert client.post(f"{CHAT}send/", {"text": "x", "client_id": "x"}).status_code == 403


def test_strangers_find_no_conversation(chat: Chat, tenant_b: Any) -> None:
    """T-07."""
    answer = _exchange(chat)
    client = _signed_in(tenant_b.owner)
    for path in (LIST, f"{LIST}{answer.conversation_id}/"):
        _get(client, path, expect=404)
        _get(client, path.replace("acme", "birch"), expect=200 if path == LIST else 404)
    _get(client, f"/t/birch/conversations/messages/{answer.id}/", expect=404)


# -- rating -------------------------------------------------------------------------------------------


def test_rating_and_taking_it_back_without_script(chat: Chat, client: Client) -> None:
    answer = _exchange(chat)
    path = f"{LIST}messages/{answer.id}/rate/"
    response = client.post(path, {"value": "down", "reasons": ["wrong", "unclear"], "comment": "Twelve!"})
    assert response.status_code == 302
    assert response["Location"] == f"{LIST}{answer.conversation_id}/"
    with tenant_tx(chat.tenant_id):
        rating = Rating.objects.get(message=answer)
    assert (rating.value, rating.reasons, rating.comment) == ("down", ["wrong", "unclear"], "Twelve!")
    assert "Take back" in _get(client, response["Location"])
    client.post(path, {"value": ""})
    with tenant_tx(chat.tenant_id):
        assert not Rating.objects.exists()


# -- talking ------------------------------------------------------------------------------------------


def test_a_question_without_script_comes_back_with_its_answer(chat: Chat, client: Client) -> None:
    """A form, a redirect, a page that reloads itself until the answer is there."""
    chat.plan(Script(text="Fifteen, says the plan.", first_delay=0.4), Script(text="Twelve."))
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    with serve() as host, httpx.Client(base_url=f"http://{host}", cookies=cookies, timeout=20) as browser:
        page = browser.get(f"{CHAT}?new=1").text
        asked = browser.post(_action(page, "composer"), data={**_hidden(page, "composer"), "text": "How many?"})
        assert asked.status_code == 302
        where = asked.headers["Location"]
        page = browser.get(where).text
        assert '<noscript><meta http-equiv="refresh"' in page
        page = _until(lambda: browser.get(where).text, lambda text: "http-equiv" not in text)
        assert "Fifteen, says the plan." in page
        again = re.search(r'<form method="post" action="([^"]+)" data-regenerate', page)
        assert again
        # The same form sent twice is one message.
        fields = {**_hidden(page, "composer"), "text": "Sure?"}
        assert browser.post(_action(page, "composer"), data=fields).status_code == 302
        assert browser.post(_action(page, "composer"), data=fields).status_code == 302
        page = _until(lambda: browser.get(where).text, lambda text: "Twelve." in text)
        assert page.count(">Sure?<") == 1


def test_the_drafts_panel_needs_no_script(chat: Chat, client: Client) -> None:
    for _ in range(2):
        response = client.post(f"{CHAT}send/", {"text": "Draft?", "draft": "1"})
        assert response.status_code == 302
    with tenant_tx(chat.tenant_id):
        assert Conversation.objects.filter(channel=Channel.TEST, version=None).count() == 2
    assert "A test of the draft." in _get(client, response["Location"])


def test_a_failed_answer_says_so_and_offers_another(chat: Chat, client: Client) -> None:
    with tenant_tx(chat.tenant_id):
        assistant = Assistant.objects.get(id=chat.assistant_id)
        conversation = make_conversation(assistant, user=chat.owner.owner)
        add_exchange(
            conversation, "Well?", "Half a", status=GenerationStatus.FAILED, error="The model did not answer in time."
        )
    page = _get(client, f"{LIST}{conversation.id}/")
    assert "The model did not answer in time." in page
    assert "Half a" in page
    assert 'aria-label="Try again"' in page


def test_the_dashboard_counts_and_warns(chat: Chat, client: Client) -> None:
    page = _get(client, "/t/acme/")
    assert "Ask a first question" in page
    answer = _exchange(chat)
    with tenant_tx(chat.tenant_id):
        rate_message(message=answer, value="down")
        update_sharing(assistant_id=chat.assistant_id, is_paused=True)
    page = html.unescape(_get(client, "/t/acme/"))
    assert "1 answer was rated as not helpful" in page
    assert "“Guide” is paused" in page


def _hidden(page: str, marker: str) -> dict[str, str]:
    form = re.search(rf'<form class="{marker}".*?</form>', page, re.DOTALL)
    assert form
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.group()))


def _action(page: str, marker: str) -> str:
    found = re.search(rf'<form class="{marker}"[^>]*action="([^"]+)"', page)
    assert found
    return found.group(1)


def _until(read: Any, is_done: Any) -> str:
    import time

    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        page: str = read()
        if is_done(page):
            return page
        time.sleep(0.1)
    pytest.fail(f"It did not come:\n{page[:3000]}")
