"""Who is let in through which door. `parley.web` finds this module through a setting."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser

from apps.tenants import policies, selectors
from apps.tenants.models import User
from apps.tenants.services.api_keys import find_actor_by_token
from parley.web.actors import Actor, TenantRef

__all__ = ["find_actor_by_token", "find_actor_of_user", "list_actors_of_user", "list_tenants_of_user"]


def find_actor_of_user(user: Any, tenant_slug: str) -> Actor | None:
    """A signed-in person as a member of the organisation, or None when they are not one."""
    if not isinstance(user, User):
        return None
    member = selectors.find_membership(user_id=user.id, tenant_slug=tenant_slug)
    if member is None:
        return None
    return actor_of_member(user, member)


def actor_of_member(user: User, member: selectors.MemberOf) -> Actor:
    """The actor that a person is in one of their organisations."""
    return Actor(
        kind="user",
        id=user.id,
        label=user.email,
        tenant=member.tenant,
        permissions=policies.PERMISSIONS_BY_ROLE[member.role],
        role=member.role,
    )


def list_actors_of_user(user: Any) -> list[Actor]:
    """A person as a member of each of their organisations (a socket's address names none)."""
    if not isinstance(user, User):
        return []
    return [actor_of_member(user, member) for member in selectors.list_memberships_of_user(user.id)]


def list_tenants_of_user(user: User | AnonymousUser) -> list[TenantRef]:
    """For the tenant switcher."""
    if not isinstance(user, User):
        return []
    return [member.tenant for member in selectors.list_memberships_of_user(user.id)]
