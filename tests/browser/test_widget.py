"""The public page and the widget, the latter inside websites of three other hosts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from parley.llm.fake import FakeProvider, Script
from tests.browser.accessibility import low_contrast_text, nameless_elements, sideways_overflow
from tests.browser.conftest import PHONE
from tests.browser.talk import ANSWER, MODEL, OpenPage, Talk, ask, finished_answer, make_talk

pytestmark = pytest.mark.django_db(transaction=True)

# Its own rules would hide the widget if they reached it.
SITE = """<!doctype html>
<html lang="en"><head><title>A shop</title><link rel="icon" href="data:,">
<style>button, iframe { display: none }</style></head><body><h1>A shop</h1>
<script src="HOST/widget/v1.js" data-assistant="PUBLIC_ID" data-label="Ask us" async></script></body></html>"""


@pytest.fixture
def talk(transactional_db: None, server_url: str) -> Iterator[Talk]:
    with FakeProvider() as fake:
        fake.script(MODEL, Script(text=ANSWER))
        yield make_talk(fake, server_url)


@pytest.fixture
def site(talk: Talk, server_url: str, tmp_path: Path) -> Iterator[int]:
    """The port of a website that embeds the widget; a browser may call it by several names."""
    (tmp_path / "index.html").write_text(
        SITE.replace("HOST", server_url).replace("PUBLIC_ID", talk.assistant.public_id)
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


def _frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.panel")


def _open_widget(page: Page) -> FrameLocator:
    page.get_by_role("button", name="Ask us").click()
    frame = _frame(page)
    expect(frame.get_by_label("Your message")).to_be_visible()
    return frame


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_public_page_answers_anybody(open_page: OpenPage, talk: Talk, scheme: str) -> None:
    talk.share(is_public=True)
    page = open_page(color_scheme=scheme)
    page.goto(f"/a/{talk.assistant.public_id}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Guide")
    ask(page)
    answer = finished_answer(page)
    answer.locator(".prose .cite").click()
    expect(page.locator("[data-passage] mark")).to_contain_text("15 seats")
    assert nameless_elements(page) == []
    assert low_contrast_text(page) == []
    answer.get_by_role("button", name="Helpful", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Send rating").click()
    expect(answer.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.locator(".bubble")).to_have_count(1)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".bubble")).to_have_count(0)
    expect(page.get_by_text("Ask me about the plans.")).to_be_visible()
    assert page.context.cookies() == []


def test_a_listed_website_shows_the_widget(open_page: OpenPage, talk: Talk, site: int) -> None:
    """A-11, and A-17 in its good case: both sides understand each other."""
    talk.share(allowed_origins=["https://elsewhere.example", f"http://127.0.0.1:{site}"])
    page = open_page()
    page.goto(f"http://127.0.0.1:{site}/")
    frame = _open_widget(page)
    expect(frame.get_by_label("Your message")).to_be_focused()
    ask(frame)
    answer = finished_answer(frame)
    expect(answer).to_contain_text("15 seats")
    frame.get_by_role("button", name="Close chat").click()
    expect(page.locator("iframe.panel")).to_be_hidden()
    expect(page.get_by_role("button", name="Ask us")).to_be_focused()
    page.get_by_role("button", name="Ask us").click()
    expect(answer).to_be_visible()
    frame.get_by_label("Your message").press("Escape")
    expect(page.locator("iframe.panel")).to_be_hidden()
    page.reload()
    frame = _open_widget(page)
    expect(frame.locator(".bubble")).to_have_count(1)


def test_the_widget_fills_a_phone(open_page: OpenPage, talk: Talk, site: int) -> None:
    talk.share(allowed_origins=[f"http://127.0.0.1:{site}"])
    page = open_page(viewport=PHONE)
    page.goto(f"http://127.0.0.1:{site}/")
    frame = _open_widget(page)
    box = page.locator("iframe.panel").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (PHONE["width"], PHONE["height"])
    ask(frame)
    finished_answer(frame)
    inner = next(each for each in page.frames if "/w/" in each.url)
    assert inner.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    assert sideways_overflow(page) == 0
    frame.get_by_role("button", name="Close chat").click()
    expect(page.get_by_role("button", name="Ask us")).to_be_visible()


@pytest.mark.allow_console_errors
def test_no_other_website_shows_it(open_page: OpenPage, talk: Talk, site: int, server_url: str) -> None:
    """A-11 on three hosts: nothing is drawn, and a frame put there by hand stays empty."""
    listed = f"http://127.0.0.1:{site}"
    for origins, host, is_shown in (
        ([listed], listed, True),
        ([listed], f"http://localhost:{site}", False),
        ([listed], f"http://shop.localhost:{site}", False),
        ([], listed, False),
        ([], f"http://localhost:{site}", False),
    ):
        talk.share(allowed_origins=origins, is_public=True)
        page = open_page()
        if is_shown:
            page.goto(host)
            expect(page.get_by_role("button", name="Ask us")).to_be_visible()
        else:
            with page.expect_console_message(lambda message: "the chat is not shown" in message.text) as said:
                page.goto(host)
            assert host in said.value.text
            expect(page.get_by_role("button", name="Ask us")).to_have_count(0)
        page.evaluate(
            """address => { const frame = document.createElement("iframe"); frame.style.display = "block";
            frame.src = address; document.body.append(frame);
            return new Promise((done) => frame.addEventListener("load", done)).then(() => null) }""",
            f"{server_url}/w/{talk.assistant.public_id}/",
        )
        by_hand = page.frame_locator("body > iframe")
        expect(by_hand.get_by_label("Your message")).to_have_count(1 if is_shown else 0)


def test_messages_from_strangers_are_ignored_in_both_directions(open_page: OpenPage, talk: Talk, site: int) -> None:
    """A-17."""
    origin = f"http://127.0.0.1:{site}"
    talk.share(allowed_origins=[origin])
    page = open_page()
    page.goto(origin)
    frame = _open_widget(page)
    inner = next(each for each in page.frames if "/w/" in each.url)
    # To the website: a frame of another origin, the page itself, unknown words, half words.
    page.evaluate(
        """() => {
          const say = (data) => window.postMessage(data, "*");
          say({ source: "parley", type: "close" });
          say("close"); say(null); say({ type: "close" });
          const stranger = document.createElement("iframe");
          stranger.srcdoc = "<script>parent.postMessage({ source: 'parley', type: 'close' }, '*')</" + "script>";
          document.body.append(stranger);
          return new Promise((done) => stranger.addEventListener("load", () => setTimeout(done, 50)));
        }"""
    )
    inner.evaluate(
        """() => { for (const data of ["close", null, 7, {}, { source: "parley" }, { source: "parley", type: "open" },
          { source: "other", type: "close" }, { source: "parley", type: ["close"] }]) parent.postMessage(data, "*") }"""
    )
    page.wait_for_timeout(80)
    expect(page.locator("iframe.panel")).to_be_visible()
    # To the frame: only the website around it may put the cursor into the field, and only with the known word.
    expect(frame.get_by_label("Your message")).to_be_focused()
    inner.evaluate("() => document.activeElement.blur()")
    page.evaluate(
        """() => {
          const shadow = document.querySelector("[data-parley-widget]").shadowRoot;
          const target = shadow.querySelector("iframe").contentWindow;
          for (const data of ["opened", null, { source: "parley", type: "close" }, { source: "parley" }])
            target.postMessage(data, "*");
          window.widgetWindow = target;
          const stranger = document.createElement("iframe");
          stranger.sandbox = "allow-scripts allow-same-origin";
          stranger.srcdoc = "<script>parent.widgetWindow.postMessage(" +
            "{ source: 'parley', type: 'opened' }, '*')</" + "script>";
          document.body.append(stranger);
          return new Promise((done) => stranger.addEventListener("load", () => setTimeout(done, 50)));
        }"""
    )
    inner.evaluate("() => window.postMessage({ source: 'parley', type: 'opened' }, '*')")
    page.wait_for_timeout(80)
    expect(frame.get_by_label("Your message")).not_to_be_focused()
    page.evaluate("() => window.widgetWindow.postMessage({ source: 'parley', type: 'opened' }, '*')")
    expect(frame.get_by_label("Your message")).to_be_focused()
