"""The shell, looked at in a real browser: sign-in, navigation, layers, themes, keys, and access for everybody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import duplicate_ids, low_contrast_text, nameless_elements, sideways_overflow
from tests.browser.conftest import PHONE, sign_in
from tests.factories.tenants import add_member, make_tenant, make_user

OpenPage = Callable[..., Page]

SETTINGS_PAGES = ("", "settings/", "settings/members/", "settings/api-keys/", "settings/audit/", "settings/profile/")
PUBLIC_PAGES = ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/")


@pytest.fixture
def organisation(transactional_db: None) -> Any:
    """An organisation with three people and a few entries in its audit log."""
    tenant = make_tenant("Northwind", owner=make_user("ada@northwind.example", name="Ada Lovelace"))
    add_member(tenant, "grace@northwind.example", "admin")
    add_member(tenant, "view@northwind.example", "viewer")
    return tenant


def test_signing_in_leads_to_the_dashboard_and_out_again(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dashboard")
    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.goto(f"/t/{organisation.slug}/")
    expect(page).to_have_url(re.compile("/accounts/login/"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signed_in_pages_are_readable_and_named(open_page: OpenPage, organisation: Any, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, "ada@northwind.example")
    for path in SETTINGS_PAGES:
        page.goto(f"/t/{organisation.slug}/{path}")
        assert nameless_elements(page) == [], path
        assert low_contrast_text(page) == [], path
        assert duplicate_ids(page) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_public_pages_are_readable_and_named(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    for path in PUBLIC_PAGES:
        page.goto(path)
        assert nameless_elements(page) == [], path
        assert low_contrast_text(page) == [], path


@pytest.mark.parametrize("width", [320, 390, 700, 1000])
def test_pages_reflow_without_scrolling_sideways(open_page: OpenPage, organisation: Any, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    for path in PUBLIC_PAGES:
        page.goto(path)
        assert sideways_overflow(page) == 0, path
    sign_in(page, "ada@northwind.example")
    for path in SETTINGS_PAGES:
        page.goto(f"/t/{organisation.slug}/{path}")
        assert sideways_overflow(page) == 0, path


def test_navigation_moves_from_the_side_to_icons_to_the_bottom(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example")
    side = page.get_by_role("complementary")
    assert side.bounding_box()["width"] == 232  # type: ignore[index] # visible, so it has a box
    page.set_viewport_size({"width": 1000, "height": 800})
    assert side.bounding_box()["width"] == 60  # type: ignore[index]
    expect(side.get_by_role("link", name="Settings")).to_be_visible()
    page.set_viewport_size(PHONE)
    expect(side).to_be_hidden()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Settings").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_a_chosen_theme_is_there_before_the_first_paint(open_page: OpenPage, organisation: Any) -> None:
    page = open_page(color_scheme="light")
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/profile/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("radio", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    # The script that applies it stands before the style sheets and blocks: no flash of the other theme.
    page.add_init_script(
        "new MutationObserver(() => { if (document.body && !window.first) window.first ="
        " document.documentElement.dataset.theme; }).observe(document, { childList: true, subtree: true })"
    )
    page.reload()
    assert page.evaluate("window.first") == "dark"


def test_menus_are_walked_with_the_arrow_keys_and_closed_by_escape(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example")
    button = page.get_by_role("button", name="Account")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("menuitem", name="Your profile")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Keyboard shortcuts")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")


def test_a_destructive_question_is_modal_and_says_what_is_lost(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/members/")
    page.get_by_role("button", name="Remove grace@northwind.example").click()
    dialog = page.get_by_role("alertdialog")
    expect(dialog).to_contain_text("lose access to Northwind at once")
    assert dialog.evaluate("(dialog) => dialog.matches(':modal')")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("rowheader", name="grace@northwind.example")).to_have_count(0)


def test_everything_works_without_script(open_page: OpenPage, organisation: Any) -> None:
    page = open_page(java_script_enabled=False)
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/members/")
    page.get_by_role("button", name="Remove grace@northwind.example").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("rowheader", name="grace@northwind.example")).to_have_count(0)
    page.goto(f"/t/{organisation.slug}/settings/audit/")
    page.get_by_role("link", name="Member removed").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Member removed")


def test_an_audit_entry_opens_beside_the_list(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/")
    page.get_by_role("textbox", name="Name", exact=True).fill("Northwind Traders")
    page.get_by_role("button", name="Save changes").click()
    page.goto(f"/t/{organisation.slug}/settings/audit/")
    page.get_by_role("link", name="Organisation updated").click()
    drawer = page.get_by_role("dialog", name="Organisation updated")
    expect(drawer.locator("del")).to_have_text("Northwind")
    expect(drawer.locator("ins")).to_have_text("Northwind Traders")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(page).to_have_url(re.compile("/settings/audit/$"))


@pytest.mark.allow_console_errors  # the browser names the 422 that the half-filled form is answered with
def test_a_new_api_key_is_shown_once_and_copied(open_page: OpenPage, organisation: Any) -> None:
    """A-03: the usable text is on the screen once and nowhere afterwards."""
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/api-keys/")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Help desk")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_text("Choose at least one thing that the key may do.")).to_be_visible()
    page.get_by_label("Ask assistants").check()
    page.get_by_role("button", name="Create key").click()
    key = page.locator(".once pre").first.inner_text()
    page.get_by_role("button", name="Copy the key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.goto(f"/t/{organisation.slug}/settings/api-keys/")
    expect(page.get_by_role("rowheader", name="Help desk")).to_be_visible()
    assert key not in page.content()


def test_keys_lead_through_the_product_but_never_while_typing(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    # The heading is there before the script that listens for keys.
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Name", exact=True).press_sequentially("?gd")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_palette_finds_pages(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "ada@northwind.example")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("sett")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_the_switcher_lists_exactly_ones_own_organisations(open_page: OpenPage, organisation: Any) -> None:
    make_tenant("Strangers")
    page = open_page()
    sign_in(page, "ada@northwind.example")
    page.get_by_role("button", name="Organisation:").click()
    menu = page.get_by_role("menu", name="Organisations")
    expect(menu.get_by_role("menuitem", name="Northwind")).to_be_visible()
    expect(menu).not_to_contain_text("Strangers")


def test_a_viewer_is_offered_nothing_they_may_not_do(open_page: OpenPage, organisation: Any) -> None:
    page = open_page()
    sign_in(page, "view@northwind.example", to=f"/t/{organisation.slug}/settings/members/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Members")
    for name in ("Invite", "Remove ada@northwind.example", "Withdraw"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    for name in ("API keys", "Audit log"):
        expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_on_a_phone_nothing_in_a_row_covers_anything_else(open_page: OpenPage, organisation: Any) -> None:
    page = open_page(viewport=PHONE)
    sign_in(page, "ada@northwind.example", to=f"/t/{organisation.slug}/settings/members/")
    covered = page.evaluate(
        """() => [...document.querySelectorAll("tbody tr")].flatMap((row) => {
          const boxes = [...row.children].flatMap((cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell);
            const isPlain = cell.textContent.trim() && !cell.classList.contains("cell-main");
            return isPlain ? [range.getBoundingClientRect()] : [];
          });
          return boxes.filter((a, index) => boxes.some((b, other) => other > index && a.left < b.right - 1 &&
            b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).map(() => row.textContent.trim());
        })"""
    )
    assert covered == []
