"""Members, their roles, and invitations."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.tenants import policies, selectors
from apps.tenants.contracts import IssuedInvitation
from apps.tenants.enums import Role
from apps.tenants.services.invitations import invite_member, revoke_invitation
from apps.tenants.services.members import change_role, remove_member
from apps.tenants.ui.forms import InvitationForm
from apps.tenants.ui.people import reader
from apps.tenants.ui.permissions import grantable_roles, role_table
from parley.errors import Conflict, Forbidden, Invalid, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page({"GET": "members.view", "POST": "members.manage"})
def member_list(request: TenantRequest) -> HttpResponse:
    """Who belongs here. POST invites somebody and shows the link, which exists nowhere else."""
    form = InvitationForm(request.POST or None, own_role=request.actor.role)
    issued: IssuedInvitation | None = None
    if request.method == "POST" and form.is_valid():
        try:
            issued = invite_member(
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                invited_by=reader(request),
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            form = InvitationForm(own_role=request.actor.role)
    response = render(request, "tenants/member_list.html", _page(request, form, issued))
    if issued:
        response["Cache-Control"] = "no-store"
    elif form.is_bound:
        response.status_code = 422
    return response


def _page(request: TenantRequest, form: InvitationForm, issued: IssuedInvitation | None) -> dict[str, object]:
    may_manage = request.actor.can("members.manage")
    return {
        "members": [
            {
                "row": member,
                "is_self": member.user_id == request.actor.id,
                "is_changeable": may_manage and policies.may_grant_role(request.actor.role, member.role),
            }
            for member in selectors.list_members()
        ],
        "invitations": selectors.list_open_invitations(),
        "form": form,
        "issued": issued,
        "issued_link": _invitation_link(request, issued.token) if issued else "",
        "roles": grantable_roles(request.actor.role),
        "role_names": [role.label for role in Role],
        "role_table": role_table(),
    }


def _invitation_link(request: HttpRequest, token: str) -> str:
    return request.build_absolute_uri(reverse("invitation_accept", kwargs={"token": token}))


@tenant_page({"POST": "members.manage"})
def member_role(request: TenantRequest, membership_id: UUID) -> HttpResponse:
    """Give a member another role."""
    try:
        member = change_role(membership_id=membership_id, role=request.POST.get("role", ""))
    except (Conflict, Forbidden, Invalid) as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, f"{member.user} is {Role(member.role).label.lower()} now.")
    return redirect("tenants:member_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "members.manage"})
def member_remove(request: TenantRequest, membership_id: UUID) -> HttpResponse:
    """End a membership."""
    try:
        remove_member(membership_id=membership_id)
    except (Conflict, Forbidden) as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "Removed. Their account and other organisations are untouched.")
    return redirect("tenants:member_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "members.manage"})
def invitation_revoke(request: TenantRequest, invitation_id: UUID) -> HttpResponse:
    """Withdraw an invitation."""
    revoke_invitation(invitation_id=invitation_id)
    messages.success(request, "Withdrawn: the link no longer works.")
    return redirect("tenants:member_list", tenant_slug=request.tenant.slug)
