"""Pages of the person rather than of an organisation: where to start, which organisations, invitations."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_GET, require_http_methods

from apps.tenants import selectors
from apps.tenants.enums import Role
from apps.tenants.services.invitations import accept_invitation, find_open_invitation
from apps.tenants.services.tenants import create_tenant
from apps.tenants.ui.forms import NewOrganisationForm
from apps.tenants.ui.people import reader
from apps.tenants.ui.permissions import ROLE_HINTS
from apps.tenants.ui.views.dashboard import LAST_TENANT
from parley.errors import Problem
from parley.web.access import public, signed_in
from parley.web.forms import add_problem


@require_GET
@signed_in("leads to the organisation one was last in")
def start(request: HttpRequest) -> HttpResponse:
    """Where sign-in ends: the organisation seen last, or the first, or the form for one."""
    slugs = [member.tenant.slug for member in selectors.list_memberships_of_user(reader(request).id)]
    if not slugs:
        return redirect("tenant_create")
    last = request.session.get(LAST_TENANT)
    return redirect("tenants:dashboard", tenant_slug=last if last in slugs else slugs[0])


@require_GET
@signed_in("lists one's own organisations")
def tenant_list(request: HttpRequest) -> HttpResponse:
    """One's organisations, each a link."""
    memberships = selectors.list_memberships_of_user(reader(request).id)
    return render(request, "tenants/tenant_list.html", {"memberships": memberships})


@require_GET
@signed_in("lists one's own organisations")
def tenant_switcher(request: HttpRequest) -> HttpResponse:
    """The items of the switcher's menu, fetched when it opens."""
    context = {
        "memberships": selectors.list_memberships_of_user(reader(request).id),
        "current": request.GET.get("current", ""),
    }
    return render(request, "tenants/_switcher.html", context)


@require_http_methods(["GET", "POST"])
@signed_in("makes an organisation of one's own")
def tenant_create(request: HttpRequest) -> HttpResponse:
    """A new organisation, whose owner one is."""
    form = NewOrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            tenant = create_tenant(name=form.cleaned_data["name"], owner=reader(request))
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"{tenant.name} is ready.")
            return redirect("tenants:dashboard", tenant_slug=tenant.slug)
    is_first = not selectors.list_memberships_of_user(reader(request).id)
    return render(request, "tenants/tenant_create.html", {"form": form, "is_first": is_first})


@require_http_methods(["GET", "POST"])
@public("the link is the permission; accepting needs the invited person's sign-in")
def invitation_accept(request: HttpRequest, token: str) -> HttpResponse:
    """What an invitation's link opens. GET shows it and changes nothing; POST accepts."""
    problem: Problem | None = None
    if request.method == "POST" and request.user.is_authenticated:
        try:
            tenant_id = accept_invitation(token=token, user=reader(request))
        except Problem as error:
            problem = error
        else:
            tenant = selectors.get_tenant(tenant_id)
            messages.success(request, f"Welcome to {tenant.name}.")
            return redirect("tenants:dashboard", tenant_slug=tenant.slug)
    invitation = find_open_invitation(token)
    context: dict[str, object] = {"problem": problem, "invitation": None}
    if invitation is not None:
        tenant_id, email, role = invitation
        context |= {
            "invitation": {"email": email, "role": Role(role).label, "hint": ROLE_HINTS[role]},
            "organisation": selectors.get_tenant(tenant_id),
            "is_for_reader": request.user.is_authenticated and reader(request).email.lower() == email.lower(),
        }
    response = render(request, "tenants/invitation_accept.html", context, status=200 if invitation else 404)
    add_never_cache_headers(response)
    return response
