"""Members, roles and invitations on their page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.tenants.models import Invitation, Membership
from parley.tenancy import tenant_tx
from tests.factories.tenants import add_member, make_user
from tests.fixtures import TenantWithKey

# Who is a member is read across tenants, through the platform role's own connection: rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])


def _client(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _members_url(tenant: TenantWithKey) -> str:
    return f"/t/{tenant.tenant.slug}/settings/members/"


def _invite(tenant: TenantWithKey, email: str, role: str = "editor") -> tuple[Any, str]:
    response = _client(tenant.owner).post(_members_url(tenant), {"email": email, "role": role})
    found = re.search(r"http://testserver(/invitations/[^<\s]+/)", response.content.decode())
    return response, found.group(1) if found else ""


def _role_of(tenant: TenantWithKey, email: str) -> str | None:
    with tenant_tx(tenant.tenant.id):
        member = Membership.objects.filter(user__email=email).first()
        return member.role if member else None


def _membership_id(tenant: TenantWithKey, email: str) -> Any:
    with tenant_tx(tenant.tenant.id):
        return Membership.objects.get(user__email=email).id


def test_an_invitation_shows_its_link_once_and_keeps_a_hash(tenant_a: TenantWithKey) -> None:
    response, link = _invite(tenant_a, "new@example.com")
    assert link
    assert response["Cache-Control"] == "no-store"
    token = link.split("/")[2]
    assert token not in _client(tenant_a.owner).get(_members_url(tenant_a)).content.decode()
    with tenant_tx(tenant_a.tenant.id):
        assert token not in str(Invitation.objects.values().get())


def test_the_invited_person_accepts_once(tenant_a: TenantWithKey) -> None:
    _, link = _invite(tenant_a, "new@example.com")
    newcomer = _client(make_user("new@example.com"))
    page = newcomer.get(link)
    assert "Join Acme" in page.content.decode()
    assert _role_of(tenant_a, "new@example.com") is None, "looking at an invitation changes nothing"
    assert newcomer.post(link).headers["Location"] == "/t/acme/"
    assert _role_of(tenant_a, "new@example.com") == "editor"
    assert newcomer.post(link).status_code == 404


def test_nobody_else_can_accept_it(tenant_a: TenantWithKey) -> None:
    _, link = _invite(tenant_a, "new@example.com")
    other = _client(make_user("other@example.com"))
    assert "signed in with another address" in other.get(link).content.decode()
    assert "This invitation is for new@example.com" in other.post(link).content.decode()
    assert _role_of(tenant_a, "other@example.com") is None
    anonymous = Client()
    assert f"next={link}" in anonymous.get(link).content.decode()
    assert anonymous.post(link).status_code == 200
    assert _role_of(tenant_a, "new@example.com") is None


def test_a_withdrawn_invitation_is_gone(tenant_a: TenantWithKey) -> None:
    _, link = _invite(tenant_a, "new@example.com")
    with tenant_tx(tenant_a.tenant.id):
        invitation_id = Invitation.objects.get().id
    _client(tenant_a.owner).post(f"/t/acme/settings/invitations/{invitation_id}/revoke/")
    assert Client().get(link).status_code == 404


@pytest.mark.parametrize(
    ("email", "role", "sentence"),
    [
        ("nonsense", "editor", "Enter a valid email address"),
        ("owner@acme.example", "editor", "is a member already"),
        ("new@example.com", "emperor", "Select a valid choice"),
    ],
)
def test_a_refused_invitation_says_why(tenant_a: TenantWithKey, email: str, role: str, sentence: str) -> None:
    response, link = _invite(tenant_a, email, role)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not link


def test_an_admin_can_offer_no_more_than_their_own_role(tenant_a: TenantWithKey) -> None:
    admin = _client(add_member(tenant_a.tenant, "admin@acme.example", "admin"))
    page = admin.get(_members_url(tenant_a)).content.decode()
    assert '<option value="owner"' not in page
    owner_id = _membership_id(tenant_a, "owner@acme.example")
    admin.post(f"/t/acme/settings/members/{owner_id}/role/", {"role": "viewer"})
    admin.post(f"/t/acme/settings/members/{owner_id}/remove/")
    assert _role_of(tenant_a, "owner@acme.example") == "owner"


def test_roles_change_and_members_leave(tenant_a: TenantWithKey) -> None:
    add_member(tenant_a.tenant, "someone@acme.example", "viewer")
    member_id = _membership_id(tenant_a, "someone@acme.example")
    owner = _client(tenant_a.owner)
    owner.post(f"/t/acme/settings/members/{member_id}/role/", {"role": "editor"})
    assert _role_of(tenant_a, "someone@acme.example") == "editor"
    owner.post(f"/t/acme/settings/members/{member_id}/remove/")
    assert _role_of(tenant_a, "someone@acme.example") is None


def test_the_last_owner_stays_and_reads_why(tenant_a: TenantWithKey) -> None:
    own_id = _membership_id(tenant_a, "owner@acme.example")
    response = _client(tenant_a.owner).post(f"/t/acme/settings/members/{own_id}/remove/", follow=True)
    assert "This is the only owner." in response.content.decode()
    assert _role_of(tenant_a, "owner@acme.example") == "owner"


def test_members_of_another_organisation_are_out_of_reach(two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    """T-07."""
    tenant_a, tenant_b = two_tenants
    add_member(tenant_b.tenant, "someone@birch.example", "viewer")
    member_id = _membership_id(tenant_b, "someone@birch.example")
    own = _client(tenant_a.owner)
    own.post(f"/t/acme/settings/members/{member_id}/role/", {"role": "owner"})
    own.post(f"/t/acme/settings/members/{member_id}/remove/")
    assert _role_of(tenant_b, "someone@birch.example") == "viewer"
    assert own.get(_members_url(tenant_b)).status_code == 404


def test_the_list_costs_the_same_for_one_and_for_many(tenant_a: TenantWithKey) -> None:
    client = _client(tenant_a.owner)
    client.get(_members_url(tenant_a))
    with CaptureQueriesContext(connection) as few:
        client.get(_members_url(tenant_a))
    for number in range(3):
        add_member(tenant_a.tenant, f"m{number}@acme.example", "viewer")
        _invite(tenant_a, f"i{number}@example.com")
    with CaptureQueriesContext(connection) as many:
        client.get(_members_url(tenant_a))
    assert len(many) == len(few) <= 12
