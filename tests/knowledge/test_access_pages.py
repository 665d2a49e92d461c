"""Access tags and metadata on the pages: shown, changed one by one and many at once, and tried in the search test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.enums import EntryKind
from apps.knowledge.models import Document, Entry, Source
from apps.knowledge.services import entries
from apps.knowledge.services.describing import describe_document
from apps.knowledge.ui.metadata_lines import BadLine, read_lines, write_lines
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge.conftest import reload

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


class Pages:
    """A signed-in member's browser without script."""

    def __init__(self, tenant: Any, user: Any) -> None:
        self.client = Client()
        self.client.force_login(user)
        self.root = f"/t/{tenant.slug}/knowledge/"

    def get(self, path: str, **query: str) -> str:
        answer = self.client.get(f"{self.root}{path}", query)
        assert answer.status_code == 200, answer.status_code
        return answer.content.decode()

    def post(self, path: str, data: dict[str, Any], status: int = 302) -> str:
        answer = self.client.post(f"{self.root}{path}", data)
        assert answer.status_code == status, answer.content.decode()[:2_000]
        return answer.content.decode()


@pytest.fixture
def editor(tenant_a: TenantWithKey) -> Pages:
    return Pages(tenant_a.tenant, add_member(tenant_a.tenant, "editor@acme.example", "editor"))


@pytest.fixture
def viewer(tenant_a: TenantWithKey) -> Pages:
    return Pages(tenant_a.tenant, add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))


@pytest.fixture
def base(tenant_a: TenantWithKey, make_base: Make) -> Any:
    return make_base(tenant_a)


@pytest.fixture
def document(tenant_a: TenantWithKey, base: Any, add: Make, index: Make) -> Any:
    return index(tenant_a, add(tenant_a, base, "pay.md", b"# Pay\n\nThe zebra earns 4,000 euros a month."))


@pytest.mark.parametrize(
    "metadata",
    [
        {"year": 2026, "team": ["shop", 1, True], "is final": False, "share": 0.5},
        {"text": "2026", "word": "true", "none": "null", "quoted": '"x"', "empty": "", "nan": "NaN", "list": "[1]"},
        {"a:b": "c: d", '"q"': "é", " lead": " trail ", "": "nameless", "lines": "one\ntwo\u2028three"},
    ],
)
def test_metadata_that_is_written_is_read_the_same(metadata: dict[str, Any]) -> None:
    """Saving the dialog for the tags alone must not change a number into a text."""
    assert read_lines(write_lines(metadata)) == metadata
    assert read_lines(write_lines(metadata).replace("\n", "\r\n\r\n")) == metadata


@pytest.mark.parametrize("text", ["year", ": 2026", '"year', '"year" 2026', "year: 1\nyear: 2"])
def test_a_line_that_says_nothing_is_named_by_its_number(text: str) -> None:
    with pytest.raises(BadLine, match=r"Line [12]"):
        read_lines(text)


def test_the_page_of_a_document_shows_and_changes_whom_it_is_for(
    editor: Pages, viewer: Pages, tenant_a: TenantWithKey, document: Any
) -> None:
    path = f"documents/{document.id}/"
    assert "Everybody who may ask" in editor.get(path)
    editor.post(f"{path}describe/", {"access_tags": "HR, partners,", "metadata": "year: 2026\r\nteam: shop"})
    changed = reload(tenant_a, document.id)
    assert (changed.access_tags, changed.metadata) == (["hr", "partners"], {"year": 2026, "team": "shop"})
    page = editor.get(path)
    assert "Everybody who may ask" not in page
    assert 'value="hr, partners"' in page
    assert "year: 2026" in page
    for bad, sentence in (({"access_tags": "no tag!"}, "cannot be an access tag"), ({"metadata": "year"}, "Line 1")):
        refused = editor.post(f"{path}describe/", {"access_tags": "", "metadata": "", **bad}, status=422)
        assert sentence in refused
        assert "data-open-now" in refused
    assert reload(tenant_a, document.id).access_tags == ["hr", "partners"]
    assert "describe-document" not in viewer.get(path)
    viewer.post(f"{path}describe/", {"access_tags": ""}, status=403)


def test_documents_are_tagged_in_the_list(
    editor: Pages, viewer: Pages, tenant_a: TenantWithKey, base: Any, document: Any, add: Make
) -> None:
    other = add(tenant_a, base, "other.md", b"Elsewhere.")
    path, both = f"{base.id}/tags/", [document.id, other.id]
    editor.post(path, {"document": both, "access_tags": "HR, legal", "intent": "add", "page": "1"})
    editor.post(path, {"document": both[1:], "access_tags": "hr", "intent": "remove"})
    assert [reload(tenant_a, each).access_tags for each in both] == [["hr", "legal"], ["legal"]]
    shown = editor.get(f"{base.id}/")
    assert shown.count('form="tag-form"') == 2
    assert "left out here" in shown
    for bad in ({"document": [], "access_tags": "hr"}, {"document": both, "access_tags": "a b"}, {"document": both}):
        editor.post(path, {"intent": "add", **bad})
    assert [reload(tenant_a, each).access_tags for each in both] == [["hr", "legal"], ["legal"]]
    assert 'form="tag-form"' not in viewer.get(f"{base.id}/")
    viewer.post(path, {"document": both, "access_tags": "hr", "intent": "add"}, status=403)


def test_files_and_texts_are_described_as_they_come_in(editor: Pages, tenant_a: TenantWithKey, base: Any) -> None:
    def upload(**fields: str) -> None:
        file = SimpleUploadedFile("a.md", b"The zebra sleeps.", "text/markdown")
        editor.post(f"{base.id}/documents/", {"file": file, **fields})

    upload(access_tags="no tag!")
    with tenant_tx(tenant_a.tenant.id):
        assert not Document.objects.exists()
    upload(access_tags="hr", metadata="year: 2026")
    upload()
    editor.post(f"{base.id}/text/", {"title": "B", "text": "Typed.", "access_tags": "legal"})
    editor.post(f"{base.id}/text/", {"title": "B", "text": "Typed again.", "access_tags": ""})
    with tenant_tx(tenant_a.tenant.id):
        rows = Document.objects.order_by("id").values_list("name", "access_tags", "metadata")
        assert list(rows) == [("a.md", ["hr"], {"year": 2026}), ("B.md", ["legal"], {})]


def test_the_search_test_asks_as_somebody(
    editor: Pages, viewer: Pages, tenant_a: TenantWithKey, base: Any, document: Any
) -> None:
    """L-20: the same search as everywhere; viewers ask like everybody, whatever they write into the address."""
    with tenant_tx(tenant_a.tenant.id):
        describe_document(document_id=document.id, access_tags=["hr"], metadata={"year": 2026})
    path = f"{base.id}/test/"
    found, year = "zebra</mark> earns", '{"field": "year", "eq": %d}'
    assert found not in editor.get(path, q="zebra")
    assert found in editor.get(path, q="zebra", access_tags="HR", filter=year % 2026)
    assert found not in editor.get(path, q="zebra", access_tags="hr", filter=year % 2025)
    assert found not in viewer.get(path, q="zebra", access_tags="hr")
    for name, value, sentence in (("filter", '{"year": 1}', "is unknown"), ("access_tags", "a b", "cannot be")):
        answer = editor.client.get(f"{editor.root}{path}", {"q": "zebra", name: value})
        assert answer.status_code == 422
        assert sentence in answer.content.decode()


def test_sources_and_entries_have_both_on_their_forms(editor: Pages, tenant_a: TenantWithKey, base: Any) -> None:
    source = {
        "address": "https://www.example.com/", "kind": "page", "schedule": "none", "max_pages": "5", "max_depth": "1",
        "delay_seconds": "0", "access_tags": "Staff", "metadata": "team: support",
    }  # fmt: skip
    editor.post(f"{base.id}/sources/new/", source)
    entry = {"question": "How much?", "answer": "A lot.", "access_tags": "HR", "metadata": "year: 2026"}
    editor.post(f"{base.id}/entries/curated/new/", entry)
    with tenant_tx(tenant_a.tenant.id):
        made, kept = Source.objects.get(), Entry.objects.get()
        assert (made.access_tags, made.metadata) == (["staff"], {"team": "support"})
        assert (kept.access_tags, kept.metadata) == (["hr"], {"year": 2026})
        entries.approve_entry(entry_id=kept.id)
    assert 'value="staff"' in editor.get(f"sources/{made.id}/edit/")
    assert "year: 2026" in editor.get(f"entries/{kept.id}/")
    editor.post(f"entries/{kept.id}/", {**entry, "access_tags": "legal"})
    with tenant_tx(tenant_a.tenant.id):
        changed: Any = Entry.objects.get()
        assert (changed.access_tags, changed.document.access_tags) == (["legal"], ["legal"])
        assert changed.approved_at is not None, "only other words need a new approval"
    assert EntryKind(changed.kind) == EntryKind.CURATED
