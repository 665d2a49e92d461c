"""Changing what members may do, and removing them."""

from __future__ import annotations

from uuid import UUID

from apps.tenants import policies, selectors
from apps.tenants.enums import Role
from apps.tenants.models import Membership
from apps.tenants.services import audit
from parley.errors import Conflict, Forbidden, Invalid
from parley.web.actors import current_actor


def change_role(*, membership_id: UUID, role: str) -> Membership:
    """Give a member another role. Repeating it changes nothing.

    Raises `Invalid` for an unknown role, `Forbidden` beyond the actor's own, `Conflict` for the last owner.
    """
    _lock_memberships()
    membership = selectors.get_member(membership_id)
    if role not in Role.values:
        raise Invalid("Choose one of the listed roles.", errors={"role": ["Choose one of the listed roles."]})
    if membership.role == role:
        return membership
    _require_reach(membership.role, role)
    if membership.role == Role.OWNER:
        _require_another_owner(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    audit.record(action="member.role_changed", target=membership, before={"role": before}, after={"role": role})
    return membership


def remove_member(*, membership_id: UUID) -> None:
    """End a membership. The person keeps their account and other organisations.

    Raises `Forbidden` for a member above the actor, `Conflict` for the last owner.
    """
    _lock_memberships()
    membership = selectors.get_member(membership_id)
    _require_reach(membership.role)
    if membership.role == Role.OWNER:
        _require_another_owner(membership)
    audit.record(action="member.removed", target=membership, before={"role": membership.role})
    membership.delete()


def _lock_memberships() -> None:
    # Two owners removing each other at the same moment must not leave none.
    list(Membership.objects.select_for_update().order_by("id").values_list("id"))


def _require_reach(*roles: str) -> None:
    actor = current_actor()
    if actor is None:
        return
    own = actor.role or Role.VIEWER
    if any(not policies.may_grant_role(own, role) for role in roles):
        raise Forbidden("You can only change members up to your own role. Ask an owner.")


def _require_another_owner(membership: Membership) -> None:
    if not Membership.objects.filter(role=Role.OWNER).exclude(id=membership.id).exists():
        raise Conflict("This is the only owner. Make somebody else owner first.")
