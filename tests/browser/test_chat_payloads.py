"""Hostile text in every place a conversation shows text, in a real browser (L-01, L-02, A-18)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from apps.assistants.models import Assistant
from apps.conversations.models import Conversation
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.browser.talk import MODEL, OpenPage, Talk, ask, enter, finished_answer, make_talk
from tests.conversations.threads import add_exchange, cite, make_conversation
from tests.parley.web.xss_payloads import PAYLOADS, RAW

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = ["click", "mouseover", "focus", "toggle", "load", "error", "animationstart"]


@pytest.fixture
def talk(transactional_db: None, server_url: str) -> Iterator[Talk]:
    with FakeProvider() as fake:
        fake.script(MODEL, Script(text="Fine."))
        yield make_talk(fake, server_url, with_document=False)


class Watch:
    """What a page asked the network for, beyond what its own templates and scripts need."""

    def __init__(self, page: Page, host: str) -> None:
        self.page = page
        self.strange: list[str] = []
        own = ("/static/", "/t/", "/a/", "/visitor/", "/ws/", "/accounts/login/", "/start/")
        page.on(
            "request",
            lambda request: (
                None
                if urlsplit(request.url).netloc == host and urlsplit(request.url).path.startswith(own)
                else self.strange.append(request.url)
            ),
        )

    def assert_harmless(self) -> None:
        self.page.evaluate(
            """events => { for (const element of document.querySelectorAll("main *"))
              for (const kind of events) if (kind !== "click") element.dispatchEvent(new Event(kind)) }""",
            EVENTS,
        )
        assert self.page.evaluate("window.__pwned") is None
        inside = "main :is(script, iframe, object, embed, img, video, audio, base, meta, link, style, [style], "
        assert self.page.locator(f"{inside}[onerror], [onload], [onclick], [onmouseover], [srcdoc])").count() == 0
        assert (
            self.page.locator("main :is([hx-get], [data-hx-post], a[href^='javascript' i], a[href^='data' i])").count()
            == 0
        )
        assert [url for url in self.strange if not url.startswith("data:")] == []


def test_hostile_messages_titles_and_passages_do_nothing(open_page: OpenPage, talk: Talk, server_url: str) -> None:
    with tenant_tx(talk.tenant.id):
        conversation = make_conversation(talk.assistant, title=RAW[5], user=talk.owner)
        for number in range(0, len(PAYLOADS), 8):
            batch = PAYLOADS[number : number + 8]
            text = "\n\n".join(f"{payload} [{marker}]" for marker, payload in enumerate(batch, 1))
            answer = add_exchange(conversation, "\n\n".join(batch), text)
            for marker, payload in enumerate(batch, 1):
                cite(answer, marker, title=payload[:500], location=payload[:500], text=payload * 2, quote=payload)
    page = open_page()
    enter(page, talk)
    watch = Watch(page, urlsplit(server_url).netloc)
    page.goto(f"/t/{talk.tenant.slug}/conversations/{conversation.id}/")
    expect(page.locator("[data-answer]")).to_have_count(-(-len(PAYLOADS) // 8))
    page.evaluate("for (const source of document.querySelectorAll('details')) source.open = true")
    watch.assert_harmless()
    # Every passage goes through the panel beside the answer as well.
    opened = page.evaluate(
        """() => { let count = 0; for (const chip of document.querySelectorAll("[data-answer] .prose a[data-cite]")) {
          chip.click(); count += document.querySelector("[data-passage] mark") ? 1 : 0; } return count }"""
    )
    assert opened > len(PAYLOADS) / 2
    watch.assert_harmless()


def test_hostile_names_and_titles_do_nothing_in_lists(open_page: OpenPage, talk: Talk, server_url: str) -> None:
    with tenant_tx(talk.tenant.id):
        for payload in PAYLOADS:
            make_conversation(talk.assistant, title=payload[:120])
        pages = -(-Conversation.objects.count() // 30)
    page = open_page()
    enter(page, talk)
    watch = Watch(page, urlsplit(server_url).netloc)
    for number in range(1, pages + 1):
        with tenant_tx(talk.tenant.id):
            Assistant.objects.filter(id=talk.assistant.id).update(name=RAW[number % len(RAW)][:100])
        page.goto(f"/t/{talk.tenant.slug}/conversations/?page={number}")
        watch.assert_harmless()
    talk.share(is_public=True)
    for name in RAW[:12]:
        with tenant_tx(talk.tenant.id):
            Assistant.objects.filter(id=talk.assistant.id).update(name=name[:100])
        page.goto(talk.chat_path)
        watch.assert_harmless()
        page.goto(f"/a/{talk.assistant.public_id}/")
        expect(page.get_by_role("heading", level=1)).to_have_text(name[:100])
        watch.assert_harmless()


def test_hostile_text_does_nothing_while_it_streams(open_page: OpenPage, talk: Talk, server_url: str) -> None:
    talk.plan(Script(text="\n\n".join(PAYLOADS), token_delay=0.001))
    page = open_page()
    enter(page, talk)
    watch = Watch(page, urlsplit(server_url).netloc)
    ask(page, PAYLOADS[0])
    expect(page.locator("[data-answer] .prose > *").nth(20)).to_be_attached()
    watch.assert_harmless()
    finished_answer(page)
    watch.assert_harmless()
