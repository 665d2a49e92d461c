"""Pages of providers: pick one, enter its key, test it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.gateway import selectors
from apps.gateway.models import Provider, ProviderKey
from apps.gateway.routing.catalog import KNOWN_PROVIDERS, KnownProvider
from apps.gateway.services import keys, providers
from apps.gateway.ui.forms import KeyForm, ProviderForm
from parley.db import in_thread
from parley.errors import NotFound, Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_OWN_SERVER = KnownProvider("own", "OpenAI-compatible server", "openai", None, "")
_ANOTHER = KnownProvider("another", "Another provider", "litellm", None, "")


@tenant_page("gateway.manage")
def provider_create(request: TenantRequest) -> HttpResponse:
    """First which provider, then its key; `?preset=` carries the first answer."""
    preset = _find_preset(request.GET.get("preset", ""))
    if preset is None:
        context = {"known": KNOWN_PROVIDERS, "own_server": _OWN_SERVER, "another": _ANOTHER}
        return render(request, "gateway/provider_create.html", context)
    form = ProviderForm(request.POST or None, kind=preset.kind, initial=_initial(preset))
    if request.method == "POST" and form.is_valid():
        try:
            provider = providers.create_provider(kind=preset.kind, **form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"{provider.name} was added. Now name one of its models.")
            address = reverse("gateway:model_create", kwargs={"tenant_slug": request.tenant.slug})
            return redirect(f"{address}?provider={provider.id}")
    context = {"form": form, "preset": preset}
    return render(request, "gateway/provider_form.html", context, status=422 if form.is_bound else 200)


@tenant_page("gateway.manage")
def provider_edit(request: TenantRequest, provider_id: UUID) -> HttpResponse:
    """Change a provider, test its key, or remove it."""
    provider = selectors.get_provider(provider_id)
    form = _edit_form(provider, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            provider = providers.update_provider(provider_id=provider_id, **form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"{provider.name} was saved.")
            return redirect("gateway:model_list", tenant_slug=request.tenant.slug)
    context = {"form": form, **_about(provider)}
    return render(request, "gateway/provider_form.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "gateway.manage"}, streaming=True)
async def provider_check(request: TenantRequest, provider_id: UUID) -> HttpResponse:
    """Ask the provider for a word. Asynchronous, since that may take seconds and must hold no transaction."""
    outcome = await providers.check_provider(provider_id=provider_id)
    if request.htmx:
        return render(request, "gateway/_check_outcome.html", {"outcome": outcome})
    (messages.success if outcome.is_ok else messages.error)(request, outcome.sentence)
    return redirect("gateway:model_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "gateway.manage"}, streaming=True)
async def key_create(request: TenantRequest, provider_id: UUID) -> HttpResponse:
    """Save a further key and test it at once: asynchronous, as a test may take seconds."""
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            key = await in_thread(_add_key, provider_id, form.cleaned_data)
        except NotFound:
            raise
        except Problem as problem:
            add_problem(form, problem)
        else:
            outcome = await keys.check_key(provider_id=provider_id, key_id=key.id)
            level = messages.SUCCESS if outcome.is_ok else messages.WARNING
            messages.add_message(request, level, f"{key.name} was saved. {outcome.sentence}")
            return redirect("gateway:provider_edit", tenant_slug=request.tenant.slug, provider_id=provider_id)
    context = await in_thread(_key_page, provider_id, form)
    return await in_thread(partial(render, request, "gateway/provider_form.html", context, status=422))


@tenant_page({"POST": "gateway.manage"})
def key_change(request: TenantRequest, provider_id: UUID, provider_key_id: UUID) -> HttpResponse:
    """Use a key again, leave it out, or remove it, as `intent` says."""
    intent = request.POST.get("intent")
    if intent == "remove":
        keys.remove_key(provider_id=provider_id, key_id=provider_key_id)
        messages.success(request, "The key was removed.")
    else:
        is_enabled = intent != "disable"
        key = keys.set_key_enabled(provider_id=provider_id, key_id=provider_key_id, is_enabled=is_enabled)
        messages.success(request, f"{key.name} is {'used again' if is_enabled else 'left out from now on'}.")
    return redirect("gateway:provider_edit", tenant_slug=request.tenant.slug, provider_id=provider_id)


def _about(provider: Provider) -> dict[str, Any]:
    """What stands on a provider's page besides its form."""
    return {
        "provider": provider,
        "models": list(selectors.list_models().filter(provider=provider)),
        "further_keys": list(selectors.list_further_keys(provider.id)),
        "key_form": KeyForm(),
        "health": selectors.provider_health().get(provider.id),
    }


def _add_key(provider_id: UUID, values: dict[str, Any]) -> ProviderKey:
    with tenant_tx():
        return keys.add_key(provider_id=provider_id, **values)


def _key_page(provider_id: UUID, form: KeyForm) -> dict[str, Any]:
    with tenant_tx():
        provider = selectors.get_provider(provider_id)
        return {**_about(provider), "form": _edit_form(provider), "key_form": form}


@tenant_page({"POST": "gateway.manage"})
def provider_delete(request: TenantRequest, provider_id: UUID) -> HttpResponse:
    """Remove a provider with its key and its models."""
    name = selectors.get_provider(provider_id).name
    try:
        providers.delete_provider(provider_id=provider_id)
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, f"{name} was removed with its key and its models.")
    return redirect("gateway:model_list", tenant_slug=request.tenant.slug)


def _edit_form(provider: Provider, data: Any = None) -> ProviderForm:
    initial = {
        "name": provider.name,
        "base_url": provider.base_url,
        "litellm_provider": provider.litellm_provider,
        "is_enabled": provider.is_enabled,
    }
    has_key = provider.api_key_set_at is not None
    return ProviderForm(data, kind=provider.kind, has_key=has_key, is_new=False, initial=initial)


def _find_preset(key: str) -> KnownProvider | None:
    return next((entry for entry in (*KNOWN_PROVIDERS, _OWN_SERVER, _ANOTHER) if entry.key == key), None)


def _initial(preset: KnownProvider) -> dict[str, Any]:
    is_known = preset in KNOWN_PROVIDERS
    return {
        "name": preset.name if is_known else "",
        "base_url": preset.base_url or "",
        "litellm_provider": preset.litellm_provider,
    }
