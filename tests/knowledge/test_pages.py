"""The knowledge pages: what a person sees, may do, and is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.knowledge.services import indexing
from tests.factories.tenants import add_member, make_user
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import reload

Make = Callable[..., Any]
# Sign-in looks members and keys up as the platform role, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


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
    assert "<mark>listens</mark> on <mark>port</mark> 8000" in result
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


def test_the_file_stands_beside_its_chunks(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """A page is a JPEG for members only, the file a download that no browser shows."""
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "b.pdf", files.pdf(2)))
    page = f"{_home(tenant_a)}documents/{document.id}/"
    shown = _text(editor.get(page))
    assert "Page 1 of 2" in shown
    panel = _text(editor.get(f"{page}original/", {"sheet": "2"}, headers={"HX-Request": "true"}))
    assert "Page 2 of 2" in panel
    assert 'aria-label="Page after"' not in panel
    picture = editor.get(f"{page}original/pages/2/?version=1")
    assert (picture["Content-Type"], picture.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    again = editor.get(f"{page}original/pages/2/?version=1", headers={"If-None-Match": picture["ETag"]})
    assert again.status_code == 304
    for wrong in ("pages/3/?version=1", "pages/1/?version=2", "pages/0/?version=1"):
        assert editor.get(f"{page}original/{wrong}").status_code == 404
    file = editor.get(f"{page}original/file/")
    assert file.content == files.pdf(2)
    assert file["Content-Disposition"] == 'attachment; filename="b.pdf"'
    assert (file["Content-Type"], file["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    assert "sandbox" in file["Content-Security-Policy"]
    stranger = Client()
    stranger.force_login(make_user("stranger@other.example"))
    assert stranger.get(f"{page}original/pages/2/?version=1").status_code == 404
    assert stranger.get(f"{page}original/file/").status_code == 404
    editor.post(f"{page}delete/")
    assert editor.get(f"{page}original/pages/2/?version=1").status_code == 404


def test_a_text_is_shown_as_it_is_read(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    hostile = b"# Head\n\nWords with `<script>alert(1)</script>`."
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", hostile))
    page = f"{_home(tenant_a)}documents/{document.id}/"
    assert 'hx-trigger="load"' in _text(editor.get(page))
    text = _text(editor.get(f"{page}original/text/?version=1"))
    assert "Words with" in text
    assert "<script>" not in text


def test_chunks_are_changed_in_place(
    editor: Client, viewer: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    """Edit, turn off, take back, add and remove, with htmx and without; never for a viewer."""
    document = index(tenant_a, add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN))
    home = _home(tenant_a)
    page = f"{home}documents/{document.id}/"
    shown = _text(editor.get(page))
    chunk = re.findall(r'id="chunk-([0-9a-f-]{36})"', shown)[0]
    assert "Turn off" in shown
    assert "Turn off" not in _text(viewer.get(page))
    assert viewer.post(f"{home}chunks/{chunk}/switch/", {"is_enabled": "0"}).status_code == 403
    htmx = {"HX-Request": "true"}
    form = _text(editor.get(f"{home}chunks/{chunk}/edit/", headers=htmx))
    assert "<textarea" in form
    refused = editor.post(f"{home}chunks/{chunk}/edit/", {f"chunk-{chunk}-text": "w " * 3000}, headers=htmx)
    assert "500 tokens" in _text(refused)
    edited = _text(editor.post(f"{home}chunks/{chunk}/edit/", {f"chunk-{chunk}-text": "Mended words."}, headers=htmx))
    assert "Mended words." in edited
    assert "edited" in edited
    (now,) = re.findall(r'id="chunk-([0-9a-f-]{36})"', edited)
    off = _text(editor.post(f"{home}chunks/{now}/switch/", {"is_enabled": "0"}, headers=htmx))
    assert "Turn on" in off
    stale = _text(editor.post(f"{home}chunks/{chunk}/switch/", {"is_enabled": "0"}, headers=htmx))
    assert "replaced or removed" in stale
    back = editor.post(f"{home}chunks/{now}/restore/", follow=True)
    assert "Mended words." not in _text(back)
    added = editor.post(f"{page}chunks/", {"heading": "Phone", "text": "Call us."}, follow=True)
    assert "Call us." in _text(added)
    assert added.redirect_chain[0][0].startswith(f"{page}?chunk=")
    (mine,) = re.findall(r"chunks/([0-9a-f-]{36})/remove/", _text(added))[:1]
    assert "Call us." not in _text(editor.post(f"{home}chunks/{mine}/remove/", follow=True))
    without_script = _text(editor.get(f"{home}chunks/{mine}/edit/", follow=True))
    assert "Turn off" in without_script


def test_an_older_version_is_there_to_read(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "a.txt", b"The first wording."))
    document = index(tenant_a, add(tenant_a, base, "a.txt", b"The second wording."))
    page = f"{_home(tenant_a)}documents/{document.id}/"
    latest = _text(editor.get(page))
    assert "The second wording." in latest
    assert "Version 1" in latest
    older = _text(editor.get(page, {"version": "1"}))
    assert "The first wording." in older
    assert "An older version" in older
    assert "Turn off" not in older


def test_the_retrieval_test_shows_scores_and_saves_what_was_tried(
    editor: Client, viewer: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    text = b"# Refunds\n\nCustomers get their <b>money</b> back within 14 days.\n\n# Parking\n\nCars stand in the yard."
    index(tenant_a, add(tenant_a, base, "help.md", text))
    page = f"{_home(tenant_a)}{base.id}/test/"
    assert "Ask something" in _text(editor.get(page))
    shown = _text(editor.get(page, {"q": "When is money refunded?"}))
    assert "<mark>money</mark>" in shown
    assert "<b>" not in shown
    assert "#chunk-" in shown
    assert 'data-label="Relevance"' in shown
    assert "not saved" not in shown
    tried = {
        "weighting": "manual",
        "vector_weight": "0.3",
        "candidate_count": "20",
        "min_relevance": "0.95",
        "diversity": "0",
    }
    nothing = _text(editor.get(page, {"q": "When is money refunded?", **tried}))
    assert "Nothing found" in nothing
    assert "tried, not saved" in nothing
    assert "money</mark>" in _text(editor.get(page, {"q": "When is money refunded?"}))
    assert "Save as this base" not in _text(viewer.get(page, {"q": "money", **tried}))
    assert viewer.post(page, tried).status_code == 403
    assert editor.post(page, {**tried, "q": "money"}).status_code == 302
    assert "Nothing found" in _text(editor.get(page, {"q": "When is money refunded?"}))
    assert editor.post(page, {**tried, "vector_weight": "7"}).status_code == 422


def test_typed_in_answers_are_written_approved_and_imported(
    editor: Client, tenant_a: TenantWithKey, make_base: Make
) -> None:
    """From an empty list to an approved answer; a table brings the good lines and names the bad ones."""
    base = make_base(tenant_a)
    home = f"{_home(tenant_a)}{base.id}/entries/"
    assert "Nothing here yet" in _text(editor.get(f"{home}curated/"))
    assert editor.post(f"{home}curated/new/", {"question": "Who?", "answer": ""}).status_code == 422
    words = {"question": "Who are you?", "answer": "A house.", "phrasings": "What are you?\nYour name?"}
    drafted = _text(editor.post(f"{home}curated/new/", words, follow=True))
    assert "draft" in drafted
    assert "What are you? · Your name?" in drafted
    (entry,) = re.findall(r'id="entry-([0-9a-f-]{36})"', drafted)
    actions = f"{_home(tenant_a)}entries/{entry}/"
    approved = _text(editor.post(f"{actions}approve/", follow=True))
    assert "Withdraw" in approved
    assert "editor@acme.example" in approved
    assert "makes this a draft again" in _text(editor.get(actions))
    changed = _text(editor.post(actions, words | {"answer": "A flat."}, follow=True))
    assert "draft" in changed
    table = SimpleUploadedFile("faq.csv", b"question,answer\nWhat is A?,It is A.\n,Nothing\n")
    imported = _text(editor.post(f"{home}faq/import/", {"file": table}, follow=True))
    assert "1 entries were added" in imported
    assert "Line 3: Write the question." in imported
    assert "Nothing here yet" in _text(editor.post(f"{actions}delete/", follow=True))
    assert editor.get(f"{home}other/").status_code == 404


def test_a_deleted_document_is_restored_on_its_page(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make
) -> None:
    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    home = _home(tenant_a)
    assert "It can be restored for 30 days" in _text(editor.post(f"{home}documents/{document.id}/delete/", follow=True))
    assert "Restore" in _text(editor.get(f"{home}{base.id}/deleted/"))
    shown = _text(editor.post(f"{home}documents/{document.id}/restore/", follow=True))
    assert "was restored" in shown
    assert f"document-{document.id}" in shown
