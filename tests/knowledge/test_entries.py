"""Questions and answers that are typed in: found by every phrasing, and said word for word once approved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge import selectors
from apps.knowledge.enums import EntryKind
from apps.knowledge.models import EntryPhrasing
from apps.knowledge.services import entries
from parley.errors import Conflict, Invalid
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files

Make = Callable[..., Any]
QUESTION = "How long may I return a parcel?"
WAYS = ["What is the deadline for sending goods back?", "Rückgabefrist"]
ANSWER = "You have 30 days. Write to us first; the label is free of charge for every order above 20 euros."


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    """A base with one document about something else."""
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "a.md", files.MARKDOWN))
    return base


def _add(owner: TenantWithKey, base: Any, kind: EntryKind, question: str = QUESTION) -> Any:
    with tenant_tx(owner.tenant.id):
        return entries.add_entry(knowledge_base_id=base.id, kind=kind, question=question, phrasings=WAYS, answer=ANSWER)


def _found(owner: TenantWithKey, base: Any, query: str) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query, limit=8)


@pytest.mark.parametrize("query", [QUESTION, *WAYS])
def test_an_faq_entry_is_found_once_by_every_phrasing(
    tenant_a: TenantWithKey, base: Any, index: Make, query: str
) -> None:
    entry = _add(tenant_a, base, EntryKind.FAQ)
    document = index(tenant_a, entry.document)
    assert (document.status, document.kind) == ("indexed", "faq")
    found = _found(tenant_a, base, query)
    assert found[0].document_id == document.id
    assert "You have 30 days." in found[0].text
    assert [passage.document_id for passage in found].count(document.id) == 1
    assert not found[0].is_curated


def test_a_curated_answer_is_said_only_while_it_is_approved(tenant_a: TenantWithKey, base: Any, index: Make) -> None:
    """A draft is found by nobody; approved it stands first with its exact words; withdrawn or changed it is gone."""
    entry = _add(tenant_a, base, EntryKind.CURATED)
    assert entry.document is None
    assert not any(passage.is_curated or "30 days" in passage.text for passage in _found(tenant_a, base, QUESTION))
    with tenant_tx(tenant_a.tenant.id):
        approved = entries.approve_entry(entry_id=entry.id)
        assert entries.approve_entry(entry_id=entry.id).approved_at == approved.approved_at
    index(tenant_a, approved.document)
    # Before the job came by, the same words are enough, whatever their case and signs.
    first = _found(tenant_a, base, "how long may i  return a PARCEL")[0]
    assert (first.is_curated, first.text, first.similarity) == (True, ANSWER, 1.0)
    near = "How long can I return a parcel?"
    assert not _found(tenant_a, base, near)[0].is_curated
    with use_tenant(tenant_a.tenant.id):
        entries.embed_phrasings(entry_id=entry.id)
        entries.embed_phrasings(entry_id=entry.id)
    assert _found(tenant_a, base, near)[0].is_curated
    for other in ("How long may I keep a parcel?", "Who pays for the label?", "Which port does the server use?"):
        assert not any(passage.is_curated for passage in _found(tenant_a, base, other)), other
    with tenant_tx(tenant_a.tenant.id):
        entries.update_entry(entry_id=entry.id, question=QUESTION, phrasings=WAYS, answer="You have 14 days.")
        assert not EntryPhrasing.objects.filter(entry_id=entry.id).exists()
    assert not any(passage.is_curated or "30 days" in passage.text for passage in _found(tenant_a, base, QUESTION))
    with tenant_tx(tenant_a.tenant.id):
        again = entries.approve_entry(entry_id=entry.id)
    index(tenant_a, again.document)
    assert _found(tenant_a, base, QUESTION)[0].text == "You have 14 days."
    with tenant_tx(tenant_a.tenant.id):
        entries.withdraw_entry(entry_id=entry.id)
    assert not any(passage.is_curated or "14 days" in passage.text for passage in _found(tenant_a, base, QUESTION))


def test_entries_are_refused_with_a_reason(tenant_a: TenantWithKey, base: Any) -> None:
    faq = _add(tenant_a, base, EntryKind.FAQ)
    with tenant_tx(tenant_a.tenant.id):
        with pytest.raises(Conflict, match="here already"):
            entries.add_entry(knowledge_base_id=base.id, kind=EntryKind.FAQ, question=QUESTION.upper(), answer="x")
        with pytest.raises(Invalid, match="Write the answer"):
            entries.add_entry(knowledge_base_id=base.id, kind=EntryKind.FAQ, question="New?", answer=" ")
        with pytest.raises(Conflict, match="Only curated"):
            entries.approve_entry(entry_id=faq.id)


def test_a_table_is_imported_line_by_line(tenant_a: TenantWithKey, base: Any) -> None:
    table = (
        b"Question;Answer;Phrasings\n"
        b"What is A?;It is A.;Tell me of A|A?\n"
        b"What is B?;;\n"
        b'"What is\n C?";"Two\nlines.";\n'
        b"What is A?;Again.;\n"
    )
    with tenant_tx(tenant_a.tenant.id):
        result = entries.import_entries(knowledge_base_id=base.id, kind=EntryKind.FAQ, content=table)
        assert (result.added, [number for number, _ in result.problems]) == (2, [3, 7])
        assert "Write the answer" in result.problems[0][1]
        listed = list(selectors.list_entries(knowledge_base_id=base.id, kind=EntryKind.FAQ))
        assert [entry.question for entry in listed] == ["What is C?", "What is A?"]
        assert listed[1].phrasings == ["Tell me of A", "A?"]
        assert entries.import_entries(knowledge_base_id=base.id, kind=EntryKind.FAQ, content=table).added == 0
        with pytest.raises(Invalid, match="first line must name"):
            entries.import_entries(knowledge_base_id=base.id, kind=EntryKind.FAQ, content=b"a,b\n1,2\n")


def test_a_table_is_imported_over_the_api(client: Client, tenant_a: TenantWithKey, base: Any) -> None:
    path = f"/api/v1/knowledge-bases/{base.id}/entries/import/"
    table = SimpleUploadedFile("faq.csv", b"question,answer\nWhat is A?,It is A.\nWhat is B?,\n")
    response = client.post(path, {"file": table, "kind": "curated"}, headers=tenant_a.headers)
    assert response.status_code == 200
    body = response.json()
    assert body["added"] == 1
    assert [problem["line"] for problem in body["problems"]] == [3]
    with tenant_tx(tenant_a.tenant.id):
        (entry,) = selectors.list_entries(knowledge_base_id=base.id, kind=EntryKind.CURATED)
        assert entry.answer == "It is A."
    large = SimpleUploadedFile("faq.csv", b"question,answer\n" + b"a,b\n" * 1_300_000)
    assert client.post(path, {"file": large}, headers=tenant_a.headers).status_code == 413
