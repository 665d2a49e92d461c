"""Organisations, members and invitations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connections

from apps.tenants import selectors
from apps.tenants.enums import Role
from apps.tenants.models import AuditEvent, Membership, User
from apps.tenants.services import access, invitations, members, tenants
from parley.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from parley.tenancy import tenant_tx
from parley.web.actors import Actor, acting_as
from tests.factories.tenants import add_member, make_tenant, make_user
from tests.fixtures import TenantWithKey

pytestmark = pytest.mark.django_db(transaction=True)


def acting(tenant: TenantWithKey, user: User) -> Actor:
    actor = access.find_actor_of_user(user, tenant.tenant.slug)
    assert actor is not None
    return actor


def test_a_new_organisation_has_an_owner_and_a_free_address() -> None:
    owner = make_user("o@example.com")
    first, second = (tenants.create_tenant(name="Blue Sky", owner=owner) for _ in range(2))
    assert (first.slug, second.slug) == ("blue-sky", "blue-sky-2")
    assert [member.role for member in selectors.list_memberships_of_user(owner.id)] == [
        Role.OWNER,
        Role.OWNER,
    ]


def test_a_wished_address_is_kept_or_refused() -> None:
    owner = make_user("o@example.com")
    tenants.create_tenant(name="Blue", owner=owner, slug="blue")
    with pytest.raises(Conflict, match="taken"):
        tenants.create_tenant(name="Blue", owner=owner, slug="blue")
    with pytest.raises(Invalid, match="lower-case"):
        tenants.create_tenant(name="Blue", owner=owner, slug="Blue Sky")
    with pytest.raises(Invalid, match="name"):
        tenants.create_tenant(name="   ", owner=owner)


def test_people_see_their_own_organisations_only(two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    a, b = two_tenants
    assert [tenant.slug for tenant in access.list_tenants_of_user(a.owner)] == ["acme"]
    assert access.find_actor_of_user(a.owner, b.tenant.slug) is None


def test_nobody_raises_anybody_above_themselves(tenant_a: TenantWithKey) -> None:
    admin = add_member(tenant_a.tenant, "admin@example.com", Role.ADMIN)
    viewer = add_member(tenant_a.tenant, "viewer@example.com", Role.VIEWER)
    with tenant_tx(tenant_a.tenant.id), acting_as(acting(tenant_a, admin)):
        membership = Membership.objects.get(user=viewer)
        assert members.change_role(membership_id=membership.id, role=Role.EDITOR).role == Role.EDITOR
        with pytest.raises(Forbidden):
            members.change_role(membership_id=membership.id, role=Role.OWNER)
        with pytest.raises(Forbidden):
            members.remove_member(membership_id=Membership.objects.get(user=tenant_a.owner).id)
        with pytest.raises(Forbidden):
            invitations.invite_member(email="new@example.com", role=Role.OWNER)


def test_the_last_owner_stays(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        only = Membership.objects.get()
        with pytest.raises(Conflict, match="only owner"):
            members.remove_member(membership_id=only.id)
        with pytest.raises(Conflict, match="only owner"):
            members.change_role(membership_id=only.id, role=Role.VIEWER)


def test_two_owners_cannot_remove_each_other_at_once(tenant_a: TenantWithKey) -> None:
    add_member(tenant_a.tenant, "second@example.com", Role.OWNER)
    with tenant_tx(tenant_a.tenant.id):
        ids = list(Membership.objects.values_list("id", flat=True))

    def remove(membership_id: object) -> bool:
        try:
            with tenant_tx(tenant_a.tenant.id):
                members.remove_member(membership_id=membership_id)  # type: ignore[arg-type]
        except Problem:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ids)) == [False, True]


def test_an_invitation_lets_its_address_in_once(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        issued = invitations.invite_member(email="New@Example.com", role=Role.AGENT, invited_by=tenant_a.owner)
    other, person = make_user("other@example.com"), make_user("new@example.com")
    assert invitations.find_open_invitation(issued.token) == (
        tenant_a.tenant.id,
        "new@example.com",
        Role.AGENT,
    )
    with pytest.raises(Conflict, match=r"new@example\.com"):
        invitations.accept_invitation(token=issued.token, user=other)
    assert invitations.accept_invitation(token=issued.token, user=person) == tenant_a.tenant.id
    assert acting(tenant_a, person).role == Role.AGENT
    with pytest.raises(NotFound):
        invitations.accept_invitation(token=issued.token, user=person)


def test_twenty_clicks_on_an_invitation_are_one(tenant_a: TenantWithKey) -> None:
    """A-07 for invitations."""
    with tenant_tx(tenant_a.tenant.id):
        issued = invitations.invite_member(email="new@example.com", role=Role.AGENT)
    person = make_user("new@example.com")

    def accept(_: int) -> bool:
        try:
            invitations.accept_invitation(token=issued.token, user=person)
        except NotFound:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(accept, range(20))) == 1
    with tenant_tx(tenant_a.tenant.id):
        assert Membership.objects.filter(user=person).count() == 1
        assert AuditEvent.objects.filter(action="member.joined").count() == 1


def test_old_withdrawn_and_replaced_invitations_are_gone(tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id):
        replaced = invitations.invite_member(email="new@example.com", role=Role.AGENT)
        issued = invitations.invite_member(email="new@example.com", role=Role.EDITOR)
    assert invitations.find_open_invitation(replaced.token) is None
    with time_machine.travel(invitations.timezone.now() + invitations.VALID_FOR + timedelta(seconds=1)):
        assert invitations.find_open_invitation(issued.token) is None
    with tenant_tx(tenant_a.tenant.id):
        invitations.revoke_invitation(invitation_id=issued.id)
    assert invitations.find_open_invitation(issued.token) is None
    assert invitations.find_open_invitation("nonsense") is None


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "owner@acme.example"])
def test_addresses_that_cannot_be_invited_are_explained(email: str, tenant_a: TenantWithKey) -> None:
    with tenant_tx(tenant_a.tenant.id), pytest.raises(Problem) as raised:
        invitations.invite_member(email=email, role=Role.AGENT)
    assert raised.value.detail.endswith(".")


def test_settings_change_and_say_so() -> None:
    tenant = make_tenant("Blue")
    with tenant_tx(tenant.id):
        tenants.update_tenant(name="Blue", time_zone="Europe/Berlin")
        with pytest.raises(Invalid):
            tenants.update_tenant(name="Blue", time_zone="Mars/Olympus")
        event = AuditEvent.objects.get(action="tenant.updated")
    assert (event.before["time_zone"], event.after["time_zone"]) == ("UTC", "Europe/Berlin")
