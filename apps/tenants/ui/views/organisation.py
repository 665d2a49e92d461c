"""The organisation's own settings, and the profile of whoever looks."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.tenants import selectors
from apps.tenants.services.tenants import update_tenant
from apps.tenants.services.users import update_profile
from apps.tenants.ui.forms import OrganisationForm, ProfileForm
from apps.tenants.ui.people import reader
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page({"GET": "tenant.view", "POST": "tenant.manage"})
def settings(request: TenantRequest) -> HttpResponse:
    """Name and time zone."""
    tenant = selectors.get_tenant(request.tenant.id)
    initial = {"name": tenant.name, "time_zone": tenant.time_zone}
    form = OrganisationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            update_tenant(name=form.cleaned_data["name"], time_zone=form.cleaned_data["time_zone"])
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved.")
            return redirect("tenants:settings", tenant_slug=request.tenant.slug)
    return render(request, "tenants/organisation_edit.html", {"form": form, "organisation": tenant})


@tenant_page({"GET": "tenant.view", "POST": "tenant.view"})
def profile(request: TenantRequest) -> HttpResponse:
    """One's own name, sign-in and organisations."""
    user = reader(request)
    form = ProfileForm(request.POST or None, initial={"name": user.name})
    if request.method == "POST" and form.is_valid():
        try:
            update_profile(user=user, name=form.cleaned_data["name"])
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved.")
            return redirect("tenants:profile", tenant_slug=request.tenant.slug)
    memberships = selectors.list_memberships_of_user(user.id)
    return render(request, "tenants/profile_edit.html", {"form": form, "person": user, "memberships": memberships})
