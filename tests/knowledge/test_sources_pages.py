"""The pages of sources: what a person sees, may do, and is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.knowledge.models import Source
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.knowledge.website import Answer, Website, page

Make = Callable[..., Any]
# Sign-in looks members up as the platform role, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


@pytest.fixture(autouse=True)
def _no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)


@pytest.fixture
def member(client: Client, tenant_a: TenantWithKey) -> Client:
    client.force_login(tenant_a.owner)
    return client


def test_the_pages_of_a_source(
    member: Client, tenant_a: TenantWithKey, website: Website, make_base: Make, sync: Make
) -> None:
    """Preview before saving, the first sync at once, the diff and each page that made trouble, and the way out."""
    base = make_base(tenant_a)
    top = f"/t/{tenant_a.tenant.slug}/knowledge/"
    website.put("/", page("Start", "/a", "/b.png", "/broken", "https://elsewhere.example/"))
    website.put("/a", page("A"))
    website.pages["/broken"] = Answer(status=500)
    fields = {"address": website.url(), "kind": "crawl", "schedule": "daily", "max_pages": 10, "max_depth": 3,
              "delay_seconds": 0, "obeys_robots": "on", "include": "", "exclude": "/old\n"}  # fmt: skip
    assert member.get(f"{top}{base.id}/sources/new/").status_code == 200
    refused = member.post(f"{top}{base.id}/sources/new/", {**fields, "address": "http://10.0.0.1/"})
    assert refused.status_code == 422
    assert "private network" in refused.content.decode()
    made = member.post(f"{top}{base.id}/sources/new/", fields)
    assert made.status_code == 302
    with tenant_tx(tenant_a.tenant.id):
        source = Source.objects.get()
    assert (source.exclude, source.schedule) == (["/old"], "daily")
    running = member.get(made["location"]).content.decode()
    assert "Cancel sync" in running
    sync(tenant_a, source)
    shown = member.get(made["location"]).content.decode()
    assert "2 new, 1 failed" in shown
    assert "error of its own (500)" in shown
    listed = member.get(f"{top}{base.id}/").content.decode()
    assert "2 new, 1 failed" in listed
    assert "Whole site" in listed
    edited = member.post(f"{top}sources/{source.id}/edit/", {**fields, "max_pages": 20})
    assert edited.status_code == 302
    assert member.post(f"{top}sources/{source.id}/sync/").status_code == 302
    assert member.post(f"{top}sources/{source.id}/cancel/").status_code == 302
    gone = member.post(f"{top}sources/{source.id}/delete/", {"documents": "keep"}, follow=True).content.decode()
    assert "2 documents stayed" in gone
