"""Pages of models and routes: what may be asked, at what price, in which order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.enums import ModelKind, RoutePurpose
from apps.gateway.models import Model, Provider, Route
from apps.gateway.routing.rule_reading import read_rules
from apps.gateway.services import models, routes
from apps.gateway.ui.forms import ModelForm
from apps.gateway.ui.routes import about_route
from parley.errors import NotFound, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page("gateway.view")
def model_list(request: TenantRequest) -> HttpResponse:
    """Routes, providers and models on one page: three short lists that only make sense together."""
    models_shown = [_row(model) for model in selectors.list_models()]
    context = {
        "routes": [_route_row(route) for route in selectors.list_routes()],
        "providers": _provider_rows(),
        "models": models_shown,
        "has_own_provider": any(not row["model"].provider.is_built_in for row in models_shown),
    }
    return render(request, "gateway/model_list.html", context)


@tenant_page("gateway.manage")
def model_create(request: TenantRequest) -> HttpResponse:
    """Add a model to the provider that `?provider=` names, or to the only one there is."""
    own = [provider for provider in selectors.list_providers() if not provider.is_built_in]
    provider = _chosen_provider(own, request.GET.get("provider", ""))
    if provider is None:
        return render(request, "gateway/model_create.html", {"providers": own})
    form = ModelForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            model = models.create_model(provider_id=provider.id, **form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            if form.cleaned_data["answers_first"] and model.kind == ModelKind.CHAT:
                routes.ask_first(purpose=RoutePurpose.CHAT, model_id=model.id)
            _say_what_is_next(request, model)
            return redirect("gateway:model_list", tenant_slug=request.tenant.slug)
    context = {"form": form, "provider": provider}
    return render(request, "gateway/model_form.html", context, status=422 if form.is_bound else 200)


@tenant_page("gateway.manage")
def model_edit(request: TenantRequest, model_id: UUID) -> HttpResponse:
    """Change a model's size or price, or remove it."""
    model = selectors.get_model(model_id)
    fields = ("name", "label", "context_tokens", "max_output_tokens", "is_enabled")
    prices = ("input_price", "output_price", "cached_input_price")
    initial: dict[str, Any] = {field: getattr(model, field) for field in fields}
    initial |= {field: _plain(getattr(model, field)) for field in prices}
    form = ModelForm(request.POST or None, is_new=False, kind=model.kind, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            model = models.update_model(model_id=model_id, changes=form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"{model.label} was saved. The new price counts from the next call on.")
            return redirect("gateway:model_list", tenant_slug=request.tenant.slug)
    context = {"form": form, "provider": model.provider, **_row(model)}
    return render(request, "gateway/model_form.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "gateway.manage"})
def model_delete(request: TenantRequest, model_id: UUID) -> HttpResponse:
    """Remove a model and take it out of every route."""
    label = selectors.get_model(model_id).label
    try:
        models.delete_model(model_id=model_id)
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, f"{label} was removed. What it cost stays in the usage.")
    return redirect("gateway:model_list", tenant_slug=request.tenant.slug)


def _provider_rows() -> list[dict[str, Any]]:
    """Providers, each with its health of the last hour, or None when nobody asked it."""
    health = selectors.provider_health()
    return [{"provider": row, "health": health.get(row.id)} for row in selectors.list_providers()]


def _row(model: Model) -> dict[str, Any]:
    price, origin = selectors.effective_price(model)
    return {"model": model, "price": price, "origin": origin, "is_running": selectors.is_running(model)}


def _route_row(route: Route) -> dict[str, Any]:
    choices = [_row(choice.model) for choice in route.choices.all()]
    return {"route": route, **about_route(route), "choices": choices, "rules": read_rules(route.rules)}


def _chosen_provider(own: list[Provider], wanted: str) -> Provider | None:
    if wanted:
        found = next((provider for provider in own if str(provider.id) == wanted), None)
        if found is None:
            raise NotFound("There is no such provider.")
        return found
    return own[0] if len(own) == 1 else None


def _say_what_is_next(request: TenantRequest, model: Model) -> None:
    price, _ = selectors.effective_price(model)
    if price is None:
        messages.warning(request, f"The price of {model.label} is unknown: enter it, or calls are refused.")
    else:
        messages.success(request, f"{model.label} is ready. Test the key to be sure.")


def _plain(price: Any) -> str:
    return "" if price is None else format(price.normalize(), "f")
