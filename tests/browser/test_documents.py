"""The document page in a real browser: the file beside its chunks, and chunks changed where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.knowledge.services import indexing
from apps.knowledge.services.documents import add_document
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.tenancy import tenant_tx, use_tenant
from tests.browser.conftest import PHONE, sign_in
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge import files

OpenPage = Callable[..., Page]
PATIENT = 30_000


@pytest.fixture
def document(tenant_a: TenantWithKey) -> Any:
    """An indexed PDF of three pages."""
    with tenant_tx(tenant_a.tenant.id):
        base = create_knowledge_base(name="Handbook")
        added = add_document(knowledge_base_id=base.id, name="handbook.pdf", content=files.pdf(3))
    with use_tenant(tenant_a.tenant.id):
        indexing.index_document(document_id=added.id)
    return added


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "color_scheme": "dark"}], ids=["desktop", "phone"])
def test_a_chunk_is_compared_with_its_page_and_mended(
    open_page: OpenPage, tenant_a: TenantWithKey, document: Any, options: dict[str, Any]
) -> None:
    """The page of a chunk is one press away; edit and switch swap the chunk and nothing else."""
    page = open_page(**options)
    add_member(tenant_a.tenant, "editor@acme.example", "editor")
    sign_in(page, "editor@acme.example")
    page.goto(f"/t/{tenant_a.tenant.slug}/knowledge/documents/{document.id}/")
    picture = page.locator(".original-page")
    expect(picture).to_be_visible()
    # The first page starts the sandbox.
    expect(picture).to_have_js_property("naturalWidth", 1100, timeout=PATIENT)
    page.get_by_role("link", name="page 2", exact=True).first.click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    expect(picture).to_have_attribute("src", re.compile("/pages/2/"))
    first = page.locator(".passages > li").first
    first.get_by_role("link", name="Edit").click()
    first.get_by_label("Text").fill("Mended in place.")
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_text("Mended in place.")).to_be_visible(timeout=PATIENT)
    expect(first.get_by_text("edited", exact=True)).to_be_visible()
    first.get_by_role("button", name="Turn off").click()
    expect(first.get_by_text("off", exact=True)).to_be_visible(timeout=PATIENT)
    first.get_by_role("button", name="Turn on").click()
    expect(first.get_by_role("button", name="Turn off")).to_be_visible(timeout=PATIENT)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_chosen_documents_are_closed_to_the_public_and_one_is_opened_again(
    open_page: OpenPage, tenant_a: TenantWithKey, document: Any
) -> None:
    """L-20: in the list for all that are chosen, on the page of a document for it alone; on a phone."""
    page = open_page(viewport=PHONE)
    add_member(tenant_a.tenant, "editor@acme.example", "editor")
    sign_in(page, "editor@acme.example")
    page.goto(f"/t/{tenant_a.tenant.slug}/knowledge/{document.knowledge_base_id}/")
    tags = page.get_by_role("combobox", name="Access tags")
    expect(tags).to_be_hidden()
    page.get_by_role("checkbox", name="Choose handbook.pdf").check()
    page.get_by_role("button", name="Choose all").click()
    expect(page.get_by_role("checkbox", name="Choose handbook.pdf")).not_to_be_checked()
    expect(tags).to_be_hidden()
    page.get_by_role("checkbox", name="Choose handbook.pdf").check()
    tags.fill("HR, partners")
    page.get_by_role("button", name="Add tags").click()
    expect(page.get_by_text("The access tags of 1 document were changed")).to_be_visible()
    expect(page.locator(".document-tags")).to_have_text(re.compile(r"hr\s+partners"))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"/t/{tenant_a.tenant.slug}/knowledge/documents/{document.id}/")
    page.get_by_role("button", name="Change…").click()
    page.get_by_role("textbox", name="Access tags").fill("")
    page.get_by_role("textbox", name="Metadata").fill("year: 2026")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Everybody who may ask", exact=True)).to_be_visible()
    expect(page.get_by_text("2026", exact=True)).to_be_visible()
