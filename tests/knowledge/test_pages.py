"""The knowledge pages: what a person sees, may do, and is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.services import documents, indexing
from tests.factories.tenants import add_member, make_user
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import reload

Make = Callable[..., Any]
# Sign-in looks members and keys up as the platform role, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "enqueue", lambda *args, **kwargs: None)


@pytest.fixture
def editor(client: Client, tenant_a: TenantWithKey) -> Client:
    client.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    return client


@pytest.fixture
def viewer(tenant_a: TenantWithKey) -> Client:
    client = Client()
    client.force_login(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))
    return client


def _home(owner: TenantWithKey) -> str:
    return f"/t/{owner.tenant.slug}/knowledge/"


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_from_nothing_to_a_searchable_document(editor: Client, tenant_a: TenantWithKey, index: Make) -> None:
    home = _home(tenant_a)
    empty = _text(editor.get(home))
    assert "No knowledge yet" in empty
    assert f'href="{home}new/"' in empty
    assert editor.post(f"{home}new/", {"name": ""}).status_code == 422
    created = editor.post(f"{home}new/", {"name": "Handbook", "description": "House rules"})
    assert created.status_code == 302
    page = created["Location"]
    assert "No documents yet" in _text(editor.get(page))
    uploads = [
        SimpleUploadedFile("a.md", files.MARKDOWN),
        SimpleUploadedFile("b.pdf", files.pdf(2)),
        SimpleUploadedFile("c.ics", b"a;b"),
    ]
    shown = _text(editor.post(f"{page}documents/", {"file": uploads}, follow=True))
    assert "2 files were added" in shown
    assert "c.ics: “.ics” files cannot be read yet" in shown
    assert shown.count('hx-trigger="every 2s"') == 1
    ids = re.findall(r'id="document-([0-9a-f-]{36})"', shown)
    assert len(ids) == 2
    for document_id in ids:
        index(tenant_a, type("Row", (), {"id": document_id}))
    done = _text(editor.get(page))
    assert "every 2s" not in done, "nothing to wait for, nothing to ask"
    result = _text(editor.get(page, {"q": "which port does the server listen on"}))
    assert "listens on port 8000" in result
    assert "Words and meaning" in result


def test_polling_brings_the_lines_and_stops_by_itself(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    first = add(tenant_a, base, "a.md", files.MARKDOWN)
    second = add(tenant_a, base, "b.md", b"# Other\n\nText.")
    path = f"{_home(tenant_a)}{base.id}/progress/?ids={first.id},{second.id},not-an-id"
    index(tenant_a, first)
    halfway = _text(editor.get(path))
    assert halfway.count('hx-swap-oob="true"') == 3  # two lines and the summary
    assert f"?ids={second.id}" in halfway
    index(tenant_a, second)
    assert "hx-trigger" not in _text(editor.get(path))


def test_a_failure_shows_its_reason_and_a_way_on(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    with monkeypatch.context() as patch:
        patch.setattr(indexing, "chunk", lambda extracted, **_: [])
        index(tenant_a, document)
    page = f"{_home(tenant_a)}{base.id}/"
    shown = _text(editor.get(page))
    assert "0 chunks" in shown
    retry = f"{_home(tenant_a)}documents/{document.id}/retry/"
    assert f'action="{retry}"' in shown
    assert "could not be indexed" in _text(editor.get(f"{_home(tenant_a)}documents/{document.id}/"))
    assert editor.post(retry).status_code == 302
    assert reload(tenant_a, document.id).status == "queued"
    assert "is being indexed already" in _text(editor.post(retry, follow=True))


def test_the_document_page_shows_chunks_as_they_are(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """L-01: the text of a document is shown, never run."""
    content = b"# Title\n\nOne <script>alert(1)</script> & two <img src=x onerror=alert(2)> three."
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "<b>x</b>.txt", content))
    body = editor.get(f"{_home(tenant_a)}documents/{document.id}/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in body
    assert "<script>alert(1)" not in body
    assert "<img src=x" not in body
    assert "<b>x</b>" not in body


def test_a_link_to_a_chunk_opens_its_page(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.long_markdown(70)))
    from apps.knowledge.models import Chunk
    from parley.tenancy import tenant_tx

    with tenant_tx(tenant_a.tenant.id):
        chunk = Chunk.objects.get(document_id=document.id, ordinal=60)
    page = editor.get(f"{_home(tenant_a)}documents/{document.id}/", {"chunk": str(chunk.id)}).content.decode()
    assert f'id="chunk-{chunk.id}"' in page


def test_deleting_asks_for_the_name(editor: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    base = make_base(tenant_a)
    path = f"{_home(tenant_a)}{base.id}/"
    assert "Nothing was deleted" in _text(editor.post(f"{path}delete/", {"confirmation": "wrong"}, follow=True))
    assert "was deleted" in _text(editor.post(f"{path}delete/", {"confirmation": base.name}, follow=True))
    assert editor.get(path).status_code == 404


def test_editing_and_typed_text(editor: Client, tenant_a: TenantWithKey, make_base: Make) -> None:
    path = f"{_home(tenant_a)}{make_base(tenant_a).id}/"
    assert editor.post(f"{path}edit/", {"name": "New name", "description": ""}).status_code == 302
    assert "New name" in _text(editor.get(path))
    assert "was added" in _text(editor.post(f"{path}text/", {"title": "Rule", "text": "Ask."}, follow=True))
    refused = editor.post(f"{path}text/", {"title": "Rule again", "text": ""})
    assert refused.status_code == 422
    assert "Rule again" in _text(refused)


def test_a_viewer_looks_and_changes_nothing(
    viewer: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    document = index(tenant_a, add(tenant_a, base, "a.md", files.MARKDOWN))
    home = _home(tenant_a)
    for path in (home, f"{home}{base.id}/", f"{home}documents/{document.id}/"):
        body = _text(viewer.get(path))
        assert not re.search(r"Delete…|Retry|Add text|New knowledge base|Drop files", body)
    for path in (f"{home}new/", f"{home}{base.id}/documents/", f"{home}documents/{document.id}/delete/"):
        assert viewer.post(path).status_code == 403


def test_strangers_find_nothing(tenant_a: TenantWithKey, make_base: Make) -> None:
    client = Client()
    path = f"{_home(tenant_a)}{make_base(tenant_a).id}/"
    assert client.get(path).status_code == 302
    client.force_login(make_user("stranger@elsewhere.example"))
    assert client.get(path).status_code == 404


def test_pages_cost_the_same_with_one_and_with_five(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, django_assert_max_num_queries: Any
) -> None:
    """At most twelve queries a page, whatever it lists."""
    base = make_base(tenant_a)
    for number in range(5):
        add(tenant_a, base, f"{number}.md", f"# Note {number}".encode())
        make_base(tenant_a, f"Base {number}")
        if number in (0, 4):
            for path in (_home(tenant_a), f"{_home(tenant_a)}{base.id}/"):
                with django_assert_max_num_queries(12):
                    assert editor.get(path).status_code == 200
