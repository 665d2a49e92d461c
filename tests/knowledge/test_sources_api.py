"""Sources over the API and on the pages: what contract.md promises, and what a person sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.knowledge.models import Source, SourceRun
from apps.knowledge.services import sources
from apps.knowledge.services.page_adding import add_page
from apps.knowledge.services.source_sweeping import start_due_sources
from parley.errors import Invalid
from parley.jobs.models import Job
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge.website import Answer, Website, fill, page

Make = Callable[..., Any]

pytestmark = pytest.mark.django_db


def url(base: Any, rest: str) -> str:
    return f"/api/v1/knowledge-bases/{base.id}/{rest}"


def post(client: Client, path: str, owner: TenantWithKey, **body: Any) -> Any:
    return client.post(path, body, content_type="application/json", headers=owner.headers)


def test_an_address_becomes_a_document(
    client: Client, tenant_a: TenantWithKey, website: Website, canary: Website, make_base: Make
) -> None:
    """contract.md: `{"url"}` adds a page; private addresses are refused (L-09, L-10)."""
    base = make_base(tenant_a)
    website.put("/help", page("Help"))
    answer = post(client, url(base, "documents/"), tenant_a, url=website.url("/help"), metadata={"team": "a"})
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["url"], body["title"], body["status"]) == (website.url("/help"), "Help", "queued")
    assert body["metadata"] == {"team": "a", "language": "en"}
    website.put("/help", page("Help", text="Other words than before stand here now."))
    again = post(client, url(base, "documents/"), tenant_a, url=website.url("/help")).json()
    assert (again["id"], again["version"]) == (body["id"], 2)
    for wrong in (canary.url("/"), website.url("/missing"), "ftp://example.com/", "http://169.254.169.254/"):
        with use_tenant(tenant_a.tenant.id), pytest.raises(Invalid):
            add_page(knowledge_base_id=base.id, address=wrong)
    with tenant_tx(tenant_a.tenant.id):
        assert Source.objects.count() == 1
    refused = post(client, url(base, "documents/"), tenant_a, url=canary.url("/"))
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["url"])
    assert canary.asked == []


def test_sources_are_added_changed_synced_and_deleted(
    client: Client, tenant_a: TenantWithKey, website: Website, make_base: Make, sync: Make
) -> None:
    base = make_base(tenant_a)
    fill(website, sections=1, pages=5)
    made = post(client, url(base, "sources/"), tenant_a, address=website.url(), kind="crawl", delay_seconds=0)
    assert made.status_code == 201, made.json()
    source = made.json()
    assert source["last_run"]["state"] == "queued"
    path = f"/api/v1/sources/{source['id']}/"
    assert post(client, path + "runs/", tenant_a).status_code == 409
    with tenant_tx(tenant_a.tenant.id):
        assert Job.objects.filter(kind="knowledge.sync_source", subject_id=source["last_run"]["id"]).count() == 1
        row = Source.objects.get(id=source["id"])
    assert sync(tenant_a, row).new_count == 5
    (run,) = client.get(path + "runs/", headers=tenant_a.headers).json()["results"]
    assert (run["summary"], run["counts"]["new"]) == ("5 new", 5)
    bad = client.patch(path, {"exclude": ["re:("]}, content_type="application/json", headers=tenant_a.headers)
    assert (bad.status_code, list(bad.json()["errors"])) == (400, ["exclude"])
    changed = client.patch(
        path, {"schedule": "daily"}, content_type="application/json", headers=tenant_a.headers
    ).json()
    assert changed["next_run_at"]
    assert post(client, path + "runs/", tenant_a, accepts_losses=True).status_code == 202
    assert post(client, path + "cancel/", tenant_a).json()["last_run"]["state"] == "cancelled"
    assert client.delete(path + "?documents=delete", headers=tenant_a.headers).status_code == 204
    assert client.get(url(base, "documents/"), headers=tenant_a.headers).json()["results"] == []


def test_each_due_instant_starts_one_sync(tenant_a: TenantWithKey, website: Website, make_base: Make) -> None:
    """C-08: two beats, a message delivered twice, or a sync that still runs: one run an instant at most."""
    from apps.knowledge.services.source_settings import SourceSettings

    with tenant_tx(tenant_a.tenant.id):
        source = sources.create_source(
            knowledge_base_id=make_base(tenant_a).id,
            address=website.url(),
            settings=SourceSettings(kind="crawl", schedule="hourly"),
        )
        sources.cancel_run(source_id=source.id)
        due = timezone.now().replace(microsecond=0)
        Source.objects.filter(id=source.id).update(next_run_at=due)
        assert sources.start_due_run(source_id=source.id, fire_at=due) is not None
        assert sources.start_due_run(source_id=source.id, fire_at=due) is None
        assert SourceRun.objects.filter(source=source, fire_at=due).count() == 1
        source.refresh_from_db()
        assert source.next_run_at is not None
        assert 3000 < (source.next_run_at - due).total_seconds() <= 3700


def test_due_sources_are_found_across_tenants() -> None:
    assert start_due_sources() == 0


def test_a_preview_asks_the_site_and_saves_nothing(tenant_a: TenantWithKey, website: Website) -> None:
    from apps.knowledge.services.source_preview import preview_source
    from apps.knowledge.services.source_settings import SourceSettings

    website.pages["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /shut", content_type="text/plain")
    website.put("/", page("Start", "/a", "/shut", "/b.png", "https://elsewhere.example/"))
    with use_tenant(tenant_a.tenant.id):
        found = preview_source(address=website.url(), settings=SourceSettings(kind="crawl"))
    assert {each.address.removeprefix(website.origin): each.objection for each in found.addresses} == {
        "/": "",
        "/a": "",
        "/shut": "closed by robots.txt",
        "/b.png": "a file without text",
        "https://elsewhere.example/": "another site",
    }
    assert (found.taken, found.title) == (2, "Start")
