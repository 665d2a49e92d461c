"""Reads about people and organisations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.tenants.enums import Role
from apps.tenants.models import ApiKey, AuditEvent, Invitation, Membership, Tenant
from parley.errors import NotFound
from parley.web.actors import TenantRef


@dataclass(frozen=True, slots=True)
class MemberOf:
    """One of a person's organisations, with their role there."""

    tenant: TenantRef
    role: str
    membership_id: UUID


def find_tenant(*, slug: str) -> TenantRef | None:
    """An organisation by its address name."""
    tenant = Tenant.objects.filter(slug=slug).first()
    return tenant_ref(tenant) if tenant else None


def get_tenant(tenant_id: UUID) -> Tenant:
    """An organisation's row. Raises `NotFound`."""
    tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        raise NotFound("There is no such organisation.")
    return tenant


def tenant_ref(tenant: Tenant) -> TenantRef:
    """What requests carry of an organisation."""
    return TenantRef(id=tenant.id, slug=tenant.slug, name=tenant.name)


def list_tenant_ids() -> list[UUID]:
    """Every organisation, oldest first, for the operator's commands."""
    return list(Tenant.objects.order_by("created_at", "id").values_list("id", flat=True))


def list_memberships_of_user(user_id: UUID) -> list[MemberOf]:
    """A person's organisations by name. Reads across tenants through the platform role."""
    rows = Membership.across_tenants.filter(user_id=user_id).select_related("tenant").order_by("tenant__name")
    return [MemberOf(tenant_ref(row.tenant), row.role, row.id) for row in rows]


def find_membership(*, user_id: UUID, tenant_slug: str) -> MemberOf | None:
    """A person's membership in the organisation with this address name, or None (also when it does not exist)."""
    row = Membership.across_tenants.filter(user_id=user_id, tenant__slug=tenant_slug).select_related("tenant").first()
    return MemberOf(tenant_ref(row.tenant), row.role, row.id) if row else None


def list_members() -> QuerySet[Membership]:
    """Members of the ambient tenant, longest-standing first."""
    return Membership.objects.select_related("user").order_by("created_at")


def list_admin_emails() -> list[str]:
    """Addresses of the ambient tenant's owners and admins, longest-standing first."""
    leading = Membership.objects.filter(role__in=[Role.OWNER, Role.ADMIN]).order_by("created_at")
    return list(leading.values_list("user__email", flat=True))


def get_member(membership_id: UUID) -> Membership:
    """A member of the ambient tenant. Raises `NotFound`."""
    membership = Membership.objects.select_related("user").filter(id=membership_id).first()
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def list_open_invitations() -> QuerySet[Invitation]:
    """Invitations of the ambient tenant that can still be accepted, newest first."""
    return (
        Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
        .select_related("invited_by")
        .order_by("-created_at")
    )


def list_api_keys() -> QuerySet[ApiKey]:
    """Keys of the ambient tenant that were not revoked, newest first."""
    return ApiKey.objects.filter(revoked_at=None).select_related("created_by").order_by("-created_at")


def list_api_keys_expiring_before(instant: datetime) -> QuerySet[ApiKey]:
    """Keys of the ambient tenant that end, or have ended, before an instant, soonest first."""
    return list_api_keys().filter(expires_at__lt=instant).order_by("expires_at")


def list_audit_events(*, text: str = "", action: str = "") -> QuerySet[AuditEvent]:
    """Audit events of the ambient tenant, newest first.

    `text` is looked for in who acted and on what; `action` is an action's name, or a noun for all of its
    actions.
    """
    events = AuditEvent.objects.order_by("-created_at", "-id")
    if text:
        events = events.filter(Q(actor_label__icontains=text) | Q(target_label__icontains=text))
    if action:
        events = events.filter(Q(action=action) | Q(action__startswith=f"{action}."))
    return events


def list_audit_nouns() -> list[str]:
    """What the newest thousand recorded actions are about (`assistant`, `member`, …), by name."""
    actions = list_audit_events().values_list("action", flat=True)[:1000]
    return sorted({action.partition(".")[0] for action in actions})


def get_audit_event(event_id: UUID) -> AuditEvent:
    """One audit event of the ambient tenant. Raises `NotFound`."""
    event = AuditEvent.objects.filter(id=event_id).first()
    if event is None:
        raise NotFound("There is no such entry in the audit log.")
    return event


def count_tenants() -> int:
    """How many organisations there are, for operators."""
    return Tenant.objects.count()
