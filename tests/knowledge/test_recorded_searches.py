"""What people asked, beside the test of the search; and a tried question as an evaluation case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.test import Client

from apps.evaluations.models import Case
from apps.evaluations.services.datasets import create_dataset
from apps.knowledge.models import RecordedSearch
from apps.knowledge.services.knowledge_bases import delete_knowledge_base
from apps.knowledge.services.searches import record_search
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True)

ASKED = "What does <b>Team</b> cost & why?"


def record(owner: TenantWithKey, *bases: Any, question: str, found_count: int = 3, is_refusal: bool = False) -> int:
    """As a conversation does."""
    with use_tenant(owner.tenant.id):
        return record_search(
            knowledge_base_ids=[base.id for base in bases],
            question=question,
            found_count=found_count,
            best_relevance=0.5 if found_count else None,
            is_refusal=is_refusal,
            conversation_id=uuid4(),
            message_id=uuid4(),
        )


def test_the_test_page_lists_what_was_asked_lately(client: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    base, other = make_base(tenant_a), make_base(tenant_a, "Other")
    record(tenant_a, other, question="Somewhere else?")
    for _ in range(3):
        record(tenant_a, base, question=ASKED, is_refusal=True)
    record(tenant_a, base, question="Anything?", found_count=0)
    client.force_login(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))
    path = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/test/"
    page = client.get(path).content.decode()
    assert page.count(f"?q={quote(ASKED, safe='')}") == 1
    assert page.index("Anything?") < page.index("&lt;b&gt;Team&lt;/b&gt;")
    assert "Somewhere else?" not in page
    assert page.count("refused") == page.count("nothing found") == 1
    tried = client.get(path, {"q": ASKED}).content.decode()
    assert "Save as evaluation case" not in tried, "a viewer may not edit data sets"
    with tenant_tx(tenant_a.tenant.id):
        assert RecordedSearch.objects.count() == 5, "a test of the search is no real search"


def test_a_tried_question_becomes_an_evaluation_case(
    client: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "prices.md", b"# Prices & plans\n\nThe Team plan costs 40 euros a month."))
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    home = f"/t/{tenant_a.tenant.slug}/"
    tried = client.get(f"{home}knowledge/{base.id}/test/", {"q": "Team & more?"}).content.decode()
    link = tried.split('href="')
    (address,) = {
        part.split('"')[0].replace("&amp;", "&") for part in link if part.startswith(f"{home}evaluations/cases/new/")
    }
    assert "question=Team%20%26%20more%3F&document=" in address
    asked_for_a_set = client.get(address, follow=True).content.decode()
    assert "Make a data set first" in asked_for_a_set
    with tenant_tx(tenant_a.tenant.id):
        dataset = create_dataset(name="Prices")
    form = client.get(address).context["form"]
    assert form["question"].value() == "Team & more?"
    document = form["expected_document"].value()
    assert document
    body = {"dataset": str(dataset.id), "question": "Team & more?", "expected_document": document}
    assert client.post(address, body | {"question": " "}).status_code == 422
    saved = client.post(address, body, follow=True).content.decode()
    assert "now a case of the data set" in saved
    with tenant_tx(tenant_a.tenant.id):
        case = Case.objects.get()
    assert (case.question, case.expected_document) == ("Team & more?", document)


def test_searches_go_with_their_base_and_only_with_it(tenant_a: TenantWithKey, make_base: Make) -> None:
    """L-20: no question outlives the base it was asked of; a base that is gone takes none any more."""
    gone, kept = make_base(tenant_a), make_base(tenant_a, "Kept")
    assert record(tenant_a, gone, kept, question="Both?") == 2
    with tenant_tx(tenant_a.tenant.id):
        delete_knowledge_base(knowledge_base_id=gone.id)
    assert record(tenant_a, gone, kept, question="One?") == 1
    with tenant_tx(tenant_a.tenant.id):
        assert set(RecordedSearch.objects.values_list("knowledge_base_id", flat=True)) == {kept.id}
