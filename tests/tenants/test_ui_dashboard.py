"""The dashboard shows what the apps registered, and its checklist ends itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.tenants.services.api_keys import create_api_key
from parley.tenancy import tenant_tx
from parley.web import dashboard
from parley.web.dashboard import Attention, Contribution, Count, Step
from tests.factories.tenants import add_member
from tests.fixtures import TenantWithKey

# Who is a member is read across tenants, through the platform role's own connection: rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

Registered = Callable[..., None]


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Registered:
    """Replaces what the apps registered by one contribution."""

    def replace(**parts: Any) -> None:
        monkeypatch.setattr(dashboard, "_cards", {})
        dashboard.register_card(lambda actor, slug: Contribution(**parts))

    return replace


def _step(*, is_done: bool) -> Step:
    return Step("Add a document", "They come from documents.", "/somewhere/", "Add documents", is_done)


def _page(tenant: TenantWithKey, user: Any | None = None) -> str:
    client = Client()
    client.force_login(user or tenant.owner)
    return client.get(f"/t/{tenant.tenant.slug}/").content.decode()


def test_counts_and_warnings_of_the_apps_are_shown(tenant_a: TenantWithKey, registered: Registered) -> None:
    registered(
        counts=(Count("Documents", "1,204", detail="3 failed", tone="bad"),),
        attention=(Attention("Three documents failed.", "/t/acme/knowledge/", "See them", "bad"),),
    )
    page = _page(tenant_a)
    assert "1,204" in page
    assert "3 failed" in page
    assert "Three documents failed." in page
    assert 'href="/t/acme/knowledge/"' in page
    assert "Nothing needs you" not in page


def test_the_checklist_stays_until_its_last_step_is_done(tenant_a: TenantWithKey, registered: Registered) -> None:
    registered(steps=(_step(is_done=True), Step("Publish", "", "/publish/", "Publish it", is_done=False)))
    page = _page(tenant_a)
    assert "1 of 2 done" in page
    assert "Publish it" in page
    assert "Add documents" not in page, "a step that is done asks for nothing"
    registered(steps=(_step(is_done=True),))
    page = _page(tenant_a)
    assert "Add a document" not in page
    assert "Nothing needs you right now." in page


def test_cards_come_in_their_order_and_register_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "_cards", {})

    def late(actor: Any, slug: str) -> Contribution:
        return Contribution(counts=(Count("Late", "1"),))

    def early(actor: Any, slug: str) -> Contribution:
        return Contribution(counts=(Count("Early", "1"),))

    for card, order in ((late, 50), (early, 20), (late, 50)):
        dashboard.register_card(card, order=order)
    assert [count.label for count in dashboard.collect(None, "acme").counts] == ["Early", "Late"]


def test_expiring_keys_are_named_to_those_who_can_replace_them(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        for name, days in (("Soon", 3), ("Gone", -1), ("Later", 60)):
            create_api_key(name=name, scopes=["tenant.view"], expires_at=timezone.now() + timedelta(days=days))
    page = _page(tenant_a)
    assert "The API key “Soon” expires soon." in page
    assert "The API key “Gone” has expired." in page
    assert "“Later”" not in page
    viewer = add_member(tenant_a.tenant, "viewer@acme.example", "viewer")
    assert "“Soon”" not in _page(tenant_a, viewer)


def test_latest_changes_are_for_those_who_may_read_the_audit_log(tenant_a: TenantWithKey) -> None:
    assert "API key created" in _page(tenant_a)
    viewer = add_member(tenant_a.tenant, "viewer@acme.example", "viewer")
    assert "API key created" not in _page(tenant_a, viewer)
