"""Talking to an assistant, as a person does it: in a real browser, with real streams."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from apps.conversations.models import Conversation, Message, Rating
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.browser.accessibility import duplicate_ids, low_contrast_text, nameless_elements, sideways_overflow
from tests.browser.conftest import PHONE
from tests.browser.talk import (
    ANSWER,
    FACT,
    MODEL,
    QUESTION,
    SLOW,
    OpenPage,
    Talk,
    ask,
    enter,
    finished_answer,
    last_answer,
    make_talk,
)
from tests.conversations.threads import add_exchange, cite, make_conversation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def talk(transactional_db: None, server_url: str) -> Iterator[Talk]:
    with FakeProvider() as fake:
        fake.script(MODEL, Script(text=ANSWER))
        yield make_talk(fake, server_url)


@pytest.fixture
def page(open_page: OpenPage, talk: Talk) -> Page:
    page = open_page()
    enter(page, talk)
    return page


def test_a_question_is_answered_with_a_passage_and_rated(page: Page, talk: Talk) -> None:
    expect(page.get_by_text("Ask me about the plans.")).to_be_visible()
    page.get_by_role("button", name=QUESTION).click()
    answer = finished_answer(page)
    expect(answer.locator(".prose")).to_contain_text("15 seats 1")
    expect(page.get_by_text("Ask me about the plans.")).to_be_hidden()
    expect(page.get_by_role("link", name="New conversation")).to_be_visible()

    chip = answer.locator(".prose .cite")
    chip.click()
    passage = page.get_by_role("complementary", name="Source")
    expect(passage.get_by_role("heading")).to_have_text("Plans")
    expect(passage.locator("mark")).to_contain_text("15 seats")
    expect(passage).to_contain_text("The Solo plan includes one.")
    expect(chip).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(passage).to_be_hidden()
    expect(chip).to_be_focused()

    answer.get_by_role("button", name="Not helpful").click()
    form = page.get_by_role("dialog", name="What was wrong with it?")
    expect(form).to_be_in_viewport(ratio=1)
    form.get_by_label("Incomplete").check()
    form.get_by_label("Comment").fill("And the other plans?")
    form.get_by_role("button", name="Send rating").click()
    expect(page.get_by_text("Thank you for the rating.")).to_be_visible()
    expect(answer.get_by_role("button", name="Not helpful")).to_have_attribute("aria-pressed", "true")
    with tenant_tx(talk.tenant.id):
        rating = Rating.objects.get()
    assert (rating.value, rating.reasons, rating.comment) == ("down", ["incomplete"], "And the other plans?")


def test_the_chips_of_a_rating_stay_chips_when_focused(page: Page) -> None:
    ask(page)
    finished_answer(page).get_by_role("button", name="Not helpful").click()
    form = page.get_by_role("dialog", name="What was wrong with it?")
    before = form.bounding_box()
    form.locator("input[type=checkbox]").first.focus()
    assert form.locator("input[type=checkbox]").first.evaluate("box => getComputedStyle(box).opacity") == "0"
    assert form.bounding_box() == before
    page.keyboard.press("Space")
    expect(form.get_by_label("Wrong", exact=True)).to_be_checked()
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()


def test_words_appear_while_they_are_written_and_stop_on_escape(page: Page, talk: Talk) -> None:
    talk.plan(SLOW)
    ask(page)
    answer = last_answer(page)
    expect(answer).to_contain_text("word3")
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Send")).to_be_hidden()
    stop = page.get_by_role("button", name="Stop answering")
    expect(stop).to_be_visible()
    page.keyboard.press("Escape")
    finished_answer(page)
    expect(answer).to_contain_text("You stopped this answer.")
    expect(answer).to_contain_text("word3")
    assert "word399" not in answer.inner_text()
    expect(stop).to_be_hidden()

    talk.plan(Script(text="Second thoughts."))
    answer.get_by_role("button", name="Try again").click()
    expect(last_answer(page).locator(".prose")).to_have_text("Second thoughts.")
    finished_answer(page)
    expect(page.locator("[data-answer]")).to_have_count(1)
    expect(page.locator(".message-visitor")).to_have_count(1)


def test_a_reload_in_the_middle_loses_nothing(page: Page, talk: Talk) -> None:
    whole = " ".join(f"word{number}" for number in range(60))
    talk.plan(Script(text=whole, token_delay=0.03))
    ask(page)
    expect(last_answer(page)).to_contain_text("word5")
    page.reload()
    expect(last_answer(page)).to_contain_text("word5")
    finished_answer(page)
    expect(last_answer(page).locator(".prose")).to_have_text(whole)
    expect(page.locator("[data-answer]")).to_have_count(1)
    assert len(talk.fake.calls) == 1


def test_a_failed_answer_says_so_and_another_can_be_had(page: Page, talk: Talk) -> None:
    talk.plan(Script(text=" ".join(["half"] * 30), fault="cut", fault_after=10))
    ask(page)
    answer = finished_answer(page)
    expect(answer.locator(".message-error")).to_be_visible()
    talk.plan(Script(text="Whole."))
    answer.get_by_role("button", name="Try again").click()
    expect(last_answer(page).locator(".prose")).to_have_text("Whole.")


@pytest.mark.allow_console_errors
def test_a_question_that_cannot_be_sent_is_kept(page: Page, talk: Talk) -> None:
    page.context.set_offline(True)
    ask(page, "Are you there?")
    expect(page.get_by_role("alert").filter(has_text="cannot be reached")).to_be_visible()
    expect(page.get_by_label("Your message")).to_have_value("Are you there?")
    page.context.set_offline(False)
    page.get_by_label("Your message").press("Enter")
    finished_answer(page)
    expect(page.locator(".message-visitor")).to_have_count(1)
    with tenant_tx(talk.tenant.id):
        assert Message.objects.filter(role="user").count() == 1


def test_everything_works_by_keyboard(page: Page) -> None:
    field = page.get_by_label("Your message")
    expect(field).to_be_focused()
    page.keyboard.type("One line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    expect(field).to_have_value("One line\nand another")
    page.keyboard.press("Enter")
    answer = finished_answer(page)
    expect(page.locator(".bubble")).to_have_text("One line\nand another")
    answer.locator(".prose .cite").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Source")).to_be_focused()
    page.keyboard.press("Escape")
    answer.get_by_role("button", name="Helpful", exact=True).focus()
    page.keyboard.press("Enter")
    form = page.get_by_role("dialog", name="What was good about it?")
    expect(form).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(form.get_by_label("Correct")).to_be_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_all(open_page: OpenPage, talk: Talk, scheme: str) -> None:
    page = open_page(viewport=PHONE, color_scheme=scheme, has_touch=True)
    enter(page, talk)
    assert nameless_elements(page) == []
    ask(page)
    answer = finished_answer(page)
    assert sideways_overflow(page) == 0
    composer, bar = page.locator(".composer-box").bounding_box(), page.locator(".bottom-bar").bounding_box()
    assert composer is not None
    assert bar is not None
    assert composer["y"] + composer["height"] < bar["y"]
    assert low_contrast_text(page) == []
    assert nameless_elements(page) == []
    assert duplicate_ids(page) == []
    answer.locator(".prose .cite").tap()
    passage = page.get_by_role("complementary", name="Source")
    expect(passage).to_be_in_viewport(ratio=1)
    expect(passage.locator("mark")).to_be_in_viewport()
    page.get_by_role("button", name="Close source").tap()
    answer.get_by_role("button", name="Helpful", exact=True).tap()
    form = page.get_by_role("dialog", name="What was good about it?")
    expect(form).to_be_in_viewport(ratio=1)
    assert low_contrast_text(page) == []


LONG_WORD = "Donaudampfschifffahrt" * 30
AWKWARD = (
    "```python\n" + "print('" + "x" * 400 + "')\n" * 30 + "```",
    "| " + " | ".join(f"Column {n}" for n in range(14)) + " |\n" + "|---" * 14 + "|\n" + "| value " * 14 + "|",
    f"A word: {LONG_WORD}, `{LONG_WORD}` and https://example.com/{LONG_WORD}",
    "مرحبا بالعالم. هذا نص من اليمين إلى اليسار.",
    "1. One\n2. Two\n\n> Quoted\n\n# Heading\n\n**Bold** and *soft*",
)


def test_awkward_text_stays_in_its_column(open_page: OpenPage, talk: Talk) -> None:
    with tenant_tx(talk.tenant.id):
        conversation = make_conversation(talk.assistant, title=LONG_WORD[:120], user=talk.owner)
        for text in AWKWARD:
            cite(add_exchange(conversation, text, text + " [1]"), 1, title=LONG_WORD[:500], location=LONG_WORD[:500])
    page = open_page()
    enter(page, talk)
    for width in (320, 390, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert sideways_overflow(page) == 0
        beyond = page.locator(".thread").evaluate("thread => thread.scrollWidth - thread.clientWidth")
        assert beyond == 0
    bubble = page.locator(".bubble").filter(has_text="مرحبا")
    assert bubble.evaluate("bubble => getComputedStyle(bubble).direction") == "rtl"
    page.goto(f"/t/{talk.tenant.slug}/conversations/")
    for width in (320, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert sideways_overflow(page) == 0


def test_a_long_conversation_opens_at_its_end_and_follows_only_there(open_page: OpenPage, talk: Talk) -> None:
    with tenant_tx(talk.tenant.id):
        conversation = make_conversation(talk.assistant, user=talk.owner)
        for number in range(20):
            add_exchange(conversation, f"Question {number}", f"Answer {number}. " * 30)
    page = open_page()
    enter(page, talk)
    latest = page.get_by_role("button", name="Latest")
    expect(page.locator("[data-answer]").last).to_be_in_viewport()
    expect(latest).to_be_hidden()
    talk.plan(SLOW)
    ask(page)
    expect(last_answer(page)).to_contain_text("word3")
    page.locator("[data-thread]").evaluate("thread => { thread.scrollTop = 0 }")
    expect(latest).to_be_visible()
    words = last_answer(page).inner_text()
    expect(last_answer(page)).not_to_have_text(words)
    assert page.locator("[data-thread]").evaluate("thread => thread.scrollTop") == 0
    latest.click()
    expect(latest).to_be_hidden()
    expect(page.get_by_role("button", name="Stop answering")).to_be_visible()
    page.keyboard.press("Escape")
    finished_answer(page)
    expect(last_answer(page)).to_be_in_viewport()


def test_the_draft_can_be_tried_beside_its_form(open_page: OpenPage, talk: Talk) -> None:
    page = open_page()
    enter(page, talk)
    page.goto(f"/t/{talk.tenant.slug}/assistants/{talk.assistant.id}/edit/")
    panel = page.locator("[data-chat]")
    ask(panel)
    expect(finished_answer(panel)).to_contain_text("15 seats")
    panel.get_by_role("button", name="Start over").click()
    expect(panel.locator("[data-answer]")).to_have_count(0)
    ask(panel)
    finished_answer(panel)
    with tenant_tx(talk.tenant.id):
        assert Conversation.objects.filter(channel="test", version=None).count() == 2


def test_the_list_leads_to_the_conversation(page: Page, talk: Talk) -> None:
    ask(page)
    finished_answer(page)
    page.get_by_role("link", name="Conversations").first.click()
    page.get_by_role("link", name=QUESTION).click()
    expect(page).to_have_url(re.compile(r"/conversations/[0-9a-f-]{36}/$"))
    expect(last_answer(page).locator(".prose")).to_contain_text(FACT[:-1])
    ask(page, "And the Solo plan?")
    expect(page.locator("[data-answer]")).to_have_count(2)
    finished_answer(page)
