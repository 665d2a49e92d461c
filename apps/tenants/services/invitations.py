"""Inviting people by e-mail, and letting them in exactly once."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.tenants import policies
from apps.tenants.contracts import IssuedInvitation
from apps.tenants.enums import Role
from apps.tenants.models import Invitation, Membership, User
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import require_tenant_id, tenant_tx
from parley.web.actors import current_actor

VALID_FOR = timedelta(days=7)
_GONE = "This invitation was used, withdrawn or has expired. Ask for a new one."


def invite_member(*, email: str, role: str, invited_by: User | None = None) -> IssuedInvitation:
    """Invite an address; an open invitation for it is replaced. The token is returned once and stored as a hash.

    Raises `Invalid` for a bad address or role, `Forbidden` beyond the actor's own role, `Conflict` for a member.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("This is not an e-mail address.", errors={"email": ["This is not an e-mail address."]}) from None
    if role not in Role.values:
        raise Invalid("Choose one of the listed roles.", errors={"role": ["Choose one of the listed roles."]})
    actor = current_actor()
    if actor is not None:
        policies.require_grant_role(actor.role or Role.VIEWER, role)
    if Membership.objects.filter(user__email__iexact=email).exists():
        raise Conflict(f"{email} is a member already.", errors={"email": [f"{email} is a member already."]})
    Invitation.objects.filter(email__iexact=email, accepted_at=None, revoked_at=None).update(revoked_at=timezone.now())
    token = base64.urlsafe_b64encode(require_tenant_id().bytes + secrets.token_bytes(24)).decode().rstrip("=")
    invitation = Invitation.objects.create(
        email=email,
        role=role,
        token_hash=_hash(token),
        invited_by=invited_by,
        expires_at=timezone.now() + VALID_FOR,
    )
    audit.record(action="member.invited", target=email, after={"role": role})
    return IssuedInvitation(id=invitation.id, email=email, token=token)


def revoke_invitation(*, invitation_id: UUID) -> None:
    """Withdraw an invitation. Its link stops working at once. Raises `NotFound`."""
    invitation = Invitation.objects.filter(id=invitation_id, accepted_at=None, revoked_at=None).first()
    if invitation is None:
        raise NotFound("There is no such open invitation.")
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit.record(action="member.invitation_revoked", target=invitation.email)


def find_open_invitation(token: str) -> tuple[UUID, str, str] | None:
    """`(tenant id, e-mail, role)` of the open invitation a link names, or None."""
    tenant_id = _tenant_of(token)
    if tenant_id is None:
        return None
    with tenant_tx(tenant_id):
        invitation = Invitation.objects.filter(
            token_hash=_hash(token), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
        ).first()
        return (tenant_id, invitation.email, invitation.role) if invitation else None


def accept_invitation(*, token: str, user: User) -> UUID:
    """Make the signed-in person a member; returns the tenant's id. A link works once, however often it is clicked.

    Raises `NotFound` when the link is no longer good, `Conflict` when it is meant for another address.
    """
    tenant_id = _tenant_of(token)
    if tenant_id is None:
        raise NotFound(_GONE)
    with tenant_tx(tenant_id):
        invitation = (
            Invitation.objects.select_for_update()
            .filter(token_hash=_hash(token), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
            .first()
        )
        if invitation is None:
            raise NotFound(_GONE)
        if invitation.email.lower() != user.email.lower():
            raise Conflict(f"This invitation is for {invitation.email}. Sign in with that address to accept it.")
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at"])
        try:
            with transaction.atomic():
                Membership.objects.create(user=user, role=invitation.role)
        except IntegrityError:
            return tenant_id
        audit.record(action="member.joined", target=user.email, after={"role": invitation.role})
    return tenant_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _tenant_of(token: str) -> UUID | None:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if len(raw) == 40 else None
