"""Test cases that expect a document tune the search of its base: compared first, applied when confirmed."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.evaluations.contracts import CaseSpec
from apps.evaluations.services import cases, datasets
from apps.knowledge import selectors as knowledge
from apps.knowledge.services import documents, indexing
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from apps.knowledge.services.tuning import MIN_CASES
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture
def base(tenant_a: TenantWithKey, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    pages = {"refunds.md": b"# Refunds\n\nMoney comes back in 14 days.", "hours.md": b"# Hours\n\nOpen nine to six."}
    with use_tenant(tenant_a.tenant.id):
        with tenant_tx():
            made = create_knowledge_base(name="Handbook")
            added = [documents.add_document(knowledge_base_id=made.id, name=n, content=c) for n, c in pages.items()]
        for document in added:
            indexing.index_document(document_id=document.id)
    return made


def _ask(owner: TenantWithKey, count: int) -> None:
    with tenant_tx(owner.tenant.id):
        dataset = datasets.create_dataset(name="Asked", description="")
        for number in range(count):
            name, question = ("refunds.md", "money back") if number % 2 else ("Hours", "when open")
            cases.add_case(dataset_id=dataset.id, case=CaseSpec(f"{question} {number}?", expected_document=name))
        cases.add_case(dataset_id=dataset.id, case=CaseSpec("elsewhere?", expected_document="other.md"))


def _post(owner: TenantWithKey, base: Any) -> Any:
    address = f"/api/v1/knowledge-bases/{base.id}/tuning/"
    return Client().post(address, headers={"authorization": f"Bearer {owner.token}"})


def test_too_few_cases_are_refused_with_the_number_that_is_missing(tenant_a: TenantWithKey, base: Any) -> None:
    _ask(tenant_a, MIN_CASES - 1)
    refused = _post(tenant_a, base)
    assert refused.status_code in (400, 422)
    assert f"{MIN_CASES - 1} test cases" in refused.json()["detail"]


def test_cases_suggest_and_a_person_applies(tenant_a: TenantWithKey, base: Any) -> None:
    _ask(tenant_a, MIN_CASES)
    told = _post(tenant_a, base).json()
    assert told["case_count"] == MIN_CASES
    assert told["now"]["recall"] == told["tuned"]["recall"] == 1.0
    with tenant_tx(tenant_a.tenant.id):
        before = knowledge.get_retrieval_settings(base.id)
    assert (before.vector_weight, before.min_relevance) == (None, 0.0)  # nothing was applied
    editor = Client()
    editor.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    page = f"/t/{tenant_a.tenant.slug}/knowledge/{base.id}/tuning/"
    assert f"{MIN_CASES} test cases" in editor.get(page).content.decode()
    assert editor.post(page, {"vector_weight": "0.4", "min_relevance": "0.2"}).status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        after = knowledge.get_retrieval_settings(base.id)
    assert (after.vector_weight, after.min_relevance) == (0.4, 0.2)
