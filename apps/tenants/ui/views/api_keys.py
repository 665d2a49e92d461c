"""Keys for programs: listed without their text, shown once when made."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from apps.tenants import selectors
from apps.tenants.contracts import IssuedKey
from apps.tenants.services.api_keys import create_api_key, revoke_api_key
from apps.tenants.ui.forms import ApiKeyForm
from apps.tenants.ui.people import reader
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page({"GET": "keys.manage", "POST": "keys.manage"})
def api_key_list(request: TenantRequest) -> HttpResponse:
    """The keys, and the form for a new one.

    A new key's text is in the answer to the POST itself and not redirected to: nothing may keep it (A-03).
    """
    form = ApiKeyForm(request.POST or None, own_permissions=request.actor.permissions)
    issued: IssuedKey | None = None
    if request.method == "POST" and form.is_valid():
        try:
            issued = create_api_key(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at(),
                created_by=reader(request),
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            form = ApiKeyForm(own_permissions=request.actor.permissions)
    context = {"keys": selectors.list_api_keys(), "form": form, "issued": issued, "now": timezone.now()}
    response = render(request, "tenants/api_key_list.html", context)
    if issued:
        response["Cache-Control"] = "no-store"
    elif form.is_bound:
        response.status_code = 422
    return response


@tenant_page({"POST": "keys.manage"})
def api_key_revoke(request: TenantRequest, key_id: UUID) -> HttpResponse:
    """Make a key useless."""
    revoke_api_key(key_id=key_id)
    messages.success(request, "Revoked: programs that use it are refused from now on.")
    return redirect("tenants:api_key_list", tenant_slug=request.tenant.slug)
