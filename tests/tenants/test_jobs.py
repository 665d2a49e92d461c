"""Background work as an administrator sees it: what failed and why, and running it again."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from apps.tenants.models import AuditEvent
from parley.jobs.context import JobContext
from parley.jobs.models import Job
from parley.jobs.outcomes import CannotPass
from parley.jobs.submit import submit
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.parley.jobs import work

pytestmark = pytest.mark.django_db(transaction=True)


def fail(context: JobContext) -> None:
    raise CannotPass("The file is damaged. Upload it again.")


@pytest.fixture
def dead(tenant_a: TenantWithKey, monkeypatch: pytest.MonkeyPatch) -> uuid.UUID:
    with monkeypatch.context() as patch:
        patch.setitem(work.behaviour, "note", fail)
        with tenant_tx(tenant_a.tenant.id):
            job_id = submit("tests.note")
    return job_id


def test_the_api_lists_replays_and_cancels(client: Client, tenant_a: TenantWithKey, dead: uuid.UUID) -> None:
    def call(method: str, path: str) -> Any:
        return getattr(client, method)(f"/api/v1/jobs/{path}", headers=tenant_a.headers)

    (shown,) = call("get", "?state=dead").json()["results"]
    assert (shown["id"], shown["error"]) == (str(dead), "The file is damaged. Upload it again.")
    assert call("get", "?state=odd").status_code == 400
    assert call("post", f"{dead}/cancel/").status_code == 409
    assert call("post", f"{dead}/replay/").status_code == 200
    assert call("get", f"{dead}/").json()["state"] == "done"
    assert call("post", f"{dead}/replay/").status_code == 409
    with tenant_tx(tenant_a.tenant.id):
        waiting = Job.objects.create(kind="tests.note", job_class="bulk")
        assert AuditEvent.objects.filter(action="job.replayed", target_id=str(dead)).exists()
    assert call("post", f"{waiting.id}/cancel/").json()["state"] == "cancelled"


def test_the_page_shows_the_reason_and_runs_all_again(client: Client, tenant_a: TenantWithKey, dead: uuid.UUID) -> None:
    client.force_login(tenant_a.owner)
    path = f"/t/{tenant_a.tenant.slug}/settings/jobs/"
    page = client.get(path).content.decode()
    assert "The file is damaged. Upload it again." in page
    assert "Take a note" in page
    after = client.post(f"{path}replay/", follow=True).content.decode()
    assert "1 job will run again." in after
    with tenant_tx(tenant_a.tenant.id):
        assert Job.objects.get(id=dead).state == "done"
