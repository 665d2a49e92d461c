"""API keys, audit log, the organisation's settings, the profile, and the way in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from apps.tenants import policies
from apps.tenants.models import ApiKey, AuditEvent, Tenant, User
from apps.tenants.services import audit
from apps.tenants.services.api_keys import find_actor_by_token
from apps.tenants.ui.permissions import PERMISSION_GROUPS
from apps.tenants.ui.views.audit import Change, changes
from parley.tenancy import tenant_tx
from tests.factories.tenants import PASSWORD, add_member, make_tenant, make_user
from tests.fixtures import TenantWithKey

# Who is a member is read across tenants, through the platform role's own connection: rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])

KEYS = "/t/acme/settings/api-keys/"
AUDIT = "/t/acme/settings/audit/"


@pytest.fixture
def owner(tenant_a: TenantWithKey) -> Client:
    """The owner of Acme, signed in."""
    client = Client()
    client.force_login(tenant_a.owner)
    return client


# -- API keys --------------------------------------------------------------------


def test_a_new_key_is_in_the_answer_and_nowhere_else(owner: Client, tenant_a: TenantWithKey) -> None:
    """A-03: shown once, kept as a hash, not cached, and it works with exactly the chosen permissions."""
    response = owner.post(KEYS, {"name": "CI", "lifetime": "90", "scopes": ["knowledge.view", "knowledge.edit"]})
    found = re.search(r"pk_[\w-]{80,}", response.content.decode())
    assert found
    assert response["Cache-Control"] == "no-store"
    assert found.group() not in owner.get(KEYS).content.decode()
    with tenant_tx(tenant_a.tenant.id):
        row = ApiKey.objects.get(name="CI")
        assert found.group() not in str(row.__dict__)
        assert row.expires_at is not None
        assert (row.expires_at - row.created_at).days in (89, 90)
    actor = find_actor_by_token(found.group())
    assert actor is not None
    assert actor.permissions == {"knowledge.view", "knowledge.edit"}


def test_a_key_cannot_have_more_than_its_maker(tenant_a: TenantWithKey) -> None:
    """A-03."""
    admin = Client()
    admin.force_login(add_member(tenant_a.tenant, "admin@acme.example", "admin"))
    assert "Rename the organisation" not in admin.get(KEYS).content.decode()
    response = admin.post(KEYS, {"name": "More", "lifetime": "", "scopes": ["tenant.manage"]})
    assert response.status_code == 422
    with tenant_tx(tenant_a.tenant.id):
        assert not ApiKey.objects.filter(name="More").exists()


def test_an_incomplete_key_is_not_made(owner: Client, tenant_a: TenantWithKey) -> None:
    response = owner.post(KEYS, {"name": "", "lifetime": "90"})
    assert response.status_code == 422
    assert "Choose at least one thing that the key may do." in response.content.decode()
    with tenant_tx(tenant_a.tenant.id):
        assert ApiKey.objects.count() == 1


def test_a_revoked_key_is_refused(owner: Client, tenant_a: TenantWithKey) -> None:
    """A-04."""
    actor = find_actor_by_token(tenant_a.token)
    assert actor is not None
    owner.post(f"{KEYS}{actor.id}/revoke/")
    assert find_actor_by_token(tenant_a.token) is None


def test_another_organisations_key_cannot_be_revoked(owner: Client, tenant_b: TenantWithKey) -> None:
    """T-07."""
    actor = find_actor_by_token(tenant_b.token)
    assert actor is not None
    owner.post(f"{KEYS}{actor.id}/revoke/")
    assert find_actor_by_token(tenant_b.token) is not None


def test_every_permission_has_words() -> None:
    named = [name for _, permissions in PERMISSION_GROUPS for name, _ in permissions]
    assert sorted(named) == sorted(policies.ALL_PERMISSIONS)


# -- Audit log -------------------------------------------------------------------


def test_the_audit_log_is_filtered_by_words_and_subject(owner: Client, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        audit.record(action="assistant.published", target="Help desk", after={"version": 4})
        audit.record(action="document.deleted", target="prices.pdf")
    everything = owner.get(AUDIT).content.decode()
    assert "Assistant published" in everything
    assert "Document deleted" in everything
    by_subject = owner.get(AUDIT, {"about": "document"}).content.decode()
    assert "prices.pdf" in by_subject
    assert "Help desk" not in by_subject
    by_words = owner.get(AUDIT, {"q": "help"}).content.decode()
    assert "Help desk" in by_words
    assert "prices.pdf" not in by_words
    assert "Nothing recorded matches" in owner.get(AUDIT, {"q": "no such thing"}).content.decode()


def test_an_entry_shows_before_and_after(owner: Client, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        audit.record(action="assistant.changed", target="Help desk", before={"model": "a"}, after={"model": "<b>"})
        event_id = AuditEvent.objects.get(action="assistant.changed").id
    page = owner.get(f"{AUDIT}{event_id}/").content.decode()
    assert "<del>a</del>" in page
    assert "<ins>&lt;b&gt;</ins>" in page
    fragment = owner.get(f"{AUDIT}{event_id}/", headers={"HX-Request": "true"}).content.decode()
    assert "<ins>&lt;b&gt;</ins>" in fragment
    assert "<html" not in fragment


def test_another_organisations_entry_is_not_there(owner: Client, tenant_b: TenantWithKey) -> None:
    """T-07."""
    with tenant_tx(tenant_b.tenant.id):
        event_id = AuditEvent.objects.order_by("created_at")[0].id
    assert owner.get(f"{AUDIT}{event_id}/").status_code == 404


def test_changes_leave_out_what_stayed() -> None:
    assert changes({"a": 1, "b": True, "c": None}, {"a": 1, "b": False, "d": ["x", "y"]}) == [
        Change("b", "yes", "no"),
        Change("c", "(empty)", None),
        Change("d", None, "x, y"),
    ]
    assert changes(None, None) == []


# -- The organisation and the person ------------------------------------------------


def test_the_owner_renames_the_organisation(owner: Client, tenant_a: TenantWithKey) -> None:
    owner.post("/t/acme/settings/", {"name": "Acme Ltd", "time_zone": "Europe/Vienna"})
    tenant = Tenant.objects.get(id=tenant_a.tenant.id)
    assert (tenant.name, tenant.time_zone, tenant.slug) == ("Acme Ltd", "Europe/Vienna", "acme")
    refused = owner.post("/t/acme/settings/", {"name": "Acme Ltd", "time_zone": "Mars/Olympus"})
    assert "Select a valid choice" in refused.content.decode()


def test_others_see_the_settings_and_cannot_change_them(tenant_a: TenantWithKey) -> None:
    editor = Client()
    editor.force_login(add_member(tenant_a.tenant, "editor@acme.example", "editor"))
    assert "Only an owner can change these." in editor.get("/t/acme/settings/").content.decode()
    assert editor.post("/t/acme/settings/", {"name": "Mine", "time_zone": "UTC"}).status_code == 403


def test_a_person_changes_their_name(owner: Client, tenant_a: TenantWithKey) -> None:
    owner.post("/t/acme/settings/profile/", {"name": "  Ada   Lovelace "})
    assert User.objects.get(id=tenant_a.owner.id).name == "Ada Lovelace"


# -- The way in ------------------------------------------------------------------


def test_start_leads_to_the_organisation_seen_last(owner: Client, tenant_a: TenantWithKey) -> None:
    make_tenant("Aardvark", owner=tenant_a.owner)
    assert owner.get("/start/").headers["Location"] == "/t/aardvark/"
    owner.get("/t/acme/")
    assert owner.get("/start/").headers["Location"] == "/t/acme/"


def test_somebody_new_names_their_organisation_first(db: None) -> None:
    client = Client()
    client.force_login(make_user("new@example.com"))
    assert client.get("/start/").headers["Location"] == "/tenants/new/"
    created = client.post("/tenants/new/", {"name": "Fresh Start"})
    assert created.headers["Location"] == "/t/fresh-start/"
    assert client.get("/t/fresh-start/").status_code == 200


def test_lists_of_organisations_hold_only_ones_own(owner: Client, tenant_b: TenantWithKey) -> None:
    """T-07."""
    for path in ("/tenants/", "/tenants/switcher/?current=acme", "/t/acme/settings/profile/"):
        page = owner.get(path).content.decode()
        assert "Acme" in page
        assert "Birch" not in page


@pytest.mark.parametrize("path", ["/start/", "/tenants/", "/tenants/new/", "/tenants/switcher/", "/t/acme/"])
def test_strangers_are_sent_to_sign_in(tenant_a: TenantWithKey, path: str) -> None:
    assert Client().get(path).headers["Location"].startswith("/accounts/login/")


def test_sign_in_with_the_right_and_the_wrong_password(tenant_a: TenantWithKey) -> None:
    client = Client()
    wrong = client.post("/accounts/login/", {"login": tenant_a.owner.email, "password": "nope"})
    assert 'role="alert"' in wrong.content.decode()
    right = client.post("/accounts/login/", {"login": tenant_a.owner.email, "password": PASSWORD})
    assert right.headers["Location"] == "/start/"


ACCOUNT_PAGES = [
    "login/",
    "signup/",
    "password/reset/",
    "password/reset/done/",
    "password/reset/key/1-wrong/",
    "password/reset/key/done/",
    "confirm-email/",
    "confirm-email/wrong/",
    "inactive/",
]


@pytest.mark.parametrize("path", ACCOUNT_PAGES)
def test_account_pages_wear_the_products_clothes(db: None, path: str) -> None:
    page = Client().get(f"/accounts/{path}").content.decode()
    assert page.count("<h1") == 1
    assert 'class="plain"' in page


@pytest.mark.parametrize("path", ["logout/", "password/change/", "email/", "reauthenticate/"])
def test_account_pages_of_the_signed_in_too(owner: Client, path: str) -> None:
    page = owner.get(f"/accounts/{path}").content.decode()
    assert page.count("<h1") == 1
    assert 'class="plain"' in page


def _problem_words(response: Any) -> str:
    return str(response.content.decode())


def test_problems_are_pages_with_a_way_on(owner: Client, tenant_a: TenantWithKey) -> None:
    missing = owner.get("/t/acme/nothing/here/")
    assert missing.status_code == 404
    assert "There is nothing here" in _problem_words(missing)
    viewer = Client()
    viewer.force_login(add_member(tenant_a.tenant, "viewer@acme.example", "viewer"))
    forbidden = viewer.get(KEYS)
    assert forbidden.status_code == 403
    assert "Ask an owner or admin" in _problem_words(forbidden)
    assert 'href="/start/"' in _problem_words(forbidden)
