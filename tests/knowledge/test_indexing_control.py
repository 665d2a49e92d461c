"""Cancelling, pausing and resuming the indexing of documents, and what is shown of its progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey
from tests.knowledge import files
from tests.knowledge.conftest import job_of, reload, set_job

Make = Callable[..., Any]
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("submit", "control"):
        monkeypatch.setattr(f"parley.jobs.{module}.announce", lambda *args, **kwargs: None)


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


def _call(owner: TenantWithKey, method: str, path: str) -> tuple[int, dict[str, Any]]:
    response = getattr(Client(), method)(f"/api/v1{path}", headers=owner.headers)
    return response.status_code, response.json()


def test_a_cancelled_document_ends_and_can_be_retried(
    editor: Client, viewer: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    document = add(tenant_a, make_base(tenant_a), "a.md", files.MARKDOWN)
    cancel = f"{_home(tenant_a)}documents/{document.id}/cancel/"
    assert f'action="{cancel}"' in _text(editor.get(f"{_home(tenant_a)}{document.knowledge_base_id}/"))
    assert cancel not in _text(viewer.get(f"{_home(tenant_a)}{document.knowledge_base_id}/"))
    assert viewer.post(cancel).status_code == 403
    assert "was cancelled" in _text(editor.post(cancel, follow=True))
    assert job_of(tenant_a, document).state == "cancelled"
    cancelled = index(tenant_a, document)
    assert (cancelled.status, cancelled.chunk_count) == ("failed", 0), "a cancelled job does not run"
    assert "cancelled" in cancelled.error
    assert "is not being indexed" in _text(editor.post(cancel, follow=True))
    editor.post(f"{_home(tenant_a)}{document.knowledge_base_id}/retry/")
    assert index(tenant_a, document).status == "indexed"
    assert job_of(tenant_a, document).state == "done"


def test_retry_of_all_failed_gives_each_a_job_that_runs(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    documents = [add(tenant_a, base, f"{number}.txt", f"Text {number}".encode()) for number in range(3)]
    for document in documents[:2]:
        assert _call(tenant_a, "post", f"/documents/{document.id}/cancel/")[1]["status"] == "failed"
    assert "Retry all failed" in _text(editor.get(f"{_home(tenant_a)}{base.id}/"))
    shown = _text(editor.post(f"{_home(tenant_a)}{base.id}/retry/", follow=True))
    assert "2 documents are being indexed again" in shown
    assert [index(tenant_a, document).status for document in documents] == ["indexed"] * 3


def test_a_paused_base_lets_its_documents_wait_and_says_so(
    editor: Client, viewer: Client, tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base, other = make_base(tenant_a), make_base(tenant_a, "Other")
    before = add(tenant_a, base, "a.md", files.MARKDOWN)
    page = f"{_home(tenant_a)}{base.id}/"
    assert f'action="{page}pause/"' in _text(editor.get(page))
    assert viewer.post(f"{page}pause/").status_code == 403
    shown = _text(editor.post(f"{page}pause/", follow=True))
    assert f'action="{page}resume/"' in shown
    later = add(tenant_a, base, "b.md", b"# Other\n\nText.")
    elsewhere = add(tenant_a, other, "c.md", b"# Third\n\nText.")
    assert index(tenant_a, before).status == "queued"
    assert index(tenant_a, later).status == "queued"
    assert index(tenant_a, elsewhere).status == "indexed", "another base goes on"
    for reader in (editor, viewer):
        shown = _text(reader.get(page))
        assert "Indexing is paused" in shown
        assert "2 documents waiting: indexing is paused" in shown
        assert shown.count(">Paused<") == 2
    editor.post(f"{page}resume/")
    assert [index(tenant_a, document).status for document in (before, later)] == ["indexed"] * 2
    assert "Indexing is paused" not in _text(editor.get(page))


def test_the_api_cancels_pauses_and_resumes(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> None:
    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    home = f"/knowledge-bases/{base.id}"
    for _ in range(2):
        status, shown = _call(tenant_a, "post", f"{home}/pause/")
        assert (status, shown["is_paused"]) == (200, True)
    assert _call(tenant_a, "get", f"{home}/")[1]["is_paused"] is True
    assert index(tenant_a, document).status == "queued"
    for _ in range(2):
        status, shown = _call(tenant_a, "post", f"{home}/resume/")
        assert (status, shown["is_paused"]) == (200, False)
    status, shown = _call(tenant_a, "post", f"/documents/{document.id}/cancel/")
    assert (status, shown["status"]) == (200, "failed")
    status, shown = _call(tenant_a, "post", f"/documents/{document.id}/cancel/")
    assert status == 409
    assert "is not being indexed" in shown["detail"]
    from apps.tenants.models import AuditEvent

    with tenant_tx(tenant_a.tenant.id):
        done = list(AuditEvent.objects.values_list("action", flat=True))
    for action in ("document.indexing_cancelled", "knowledge_base.indexing_paused", "knowledge_base.indexing_resumed"):
        assert done.count(action) == 1


def test_cancelling_takes_nothing_that_is_found_already(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make
) -> None:
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "a.md", files.MARKDOWN))
    newer = add(tenant_a, base, "a.md", files.MARKDOWN + b"\nMore.\n")
    assert _call(tenant_a, "post", f"/documents/{newer.id}/cancel/")[0] == 200
    kept = reload(tenant_a, newer.id)
    assert "Its older version is still found" in kept.error
    assert kept.chunk_count > 0


def test_a_document_at_work_shows_stage_count_and_time_left_at_one_query_for_all(
    editor: Client, tenant_a: TenantWithKey, make_base: Make, add: Make
) -> None:
    from apps.knowledge.models import Document

    base = make_base(tenant_a)
    document = add(tenant_a, base, "a.md", files.MARKDOWN)
    for number in range(5):
        add(tenant_a, base, f"{number}.txt", f"Text {number}".encode())
    begun = timezone.now() - timedelta(minutes=20)
    running = {"state": "running", "lease_until": timezone.now(), "stage": "embedding", "stage_at": begun}
    set_job(tenant_a, document, **running, done_units=200, total_units=1000)
    with tenant_tx(tenant_a.tenant.id):
        Document.objects.filter(id=document.id).update(status="embedding", progress=0.4)
    with CaptureQueriesContext(connection) as captured:
        shown = _text(editor.get(f"{_home(tenant_a)}{base.id}/"))
    assert sum('FROM "jobs_job" ' in query["sql"] for query in captured.captured_queries) == 1
    assert "Embedding" in shown
    assert "200 of 1,000 chunks" in shown
    assert re.search(r"about 8\d min left", shown)
    assert "200 of 1,000 chunks" in _text(editor.get(f"{_home(tenant_a)}documents/{document.id}/"))
    status, told = _call(tenant_a, "get", f"/documents/{document.id}/")
    assert status == 200
    assert (told["indexing"]["done"], told["indexing"]["total"], told["indexing"]["is_paused"]) == (200, 1000, False)
    assert 80 * 60 <= told["indexing"]["seconds_left"] < 90 * 60
