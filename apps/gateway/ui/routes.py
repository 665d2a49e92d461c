"""Pages of routes: rules as sentences, the fallback chain, what happens on failures, and a dry run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors
from apps.gateway.contracts import Asked
from apps.gateway.enums import ModelKind, RoutePurpose
from apps.gateway.models import Route
from apps.gateway.routing.rule_reading import policy_json, read_policy, read_rules
from apps.gateway.routing.rules import Rule
from apps.gateway.services import routes
from apps.gateway.ui.route_forms import (
    DryRunForm,
    NameForm,
    NewRouteForm,
    PolicyForm,
    RouteForm,
    RuleForm,
    rule_initial,
)
from parley.errors import NotFound, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_EMPTY_PLACES = 2
_PURPOSES: dict[str, tuple[str, str]] = {
    RoutePurpose.CHAT: ("message-square-text", "Answers of assistants that name no model and no route of their own."),
    RoutePurpose.EMBED: ("search", "Turns passages and questions into vectors, so that they can be compared."),
    RoutePurpose.JUDGE: ("scale", "Judges answers in evaluations."),
}


def about_route(route: Route) -> dict[str, str]:
    """The icon of a route and what it is for."""
    icon, hint = _PURPOSES[route.purpose]
    if not route.is_default:
        icon, hint = "route", "Answers of assistants that name this route."
    return {"icon": icon, "hint": hint}


@tenant_page("gateway.manage")
def route_create(request: TenantRequest) -> HttpResponse:
    """A route that assistants can name."""
    form = NewRouteForm(request.POST or None, models=selectors.list_chat_choices())
    if request.method == "POST" and form.is_valid():
        try:
            route = routes.create_route(name=form.cleaned_data["name"], model_ids=[form.cleaned_data["model_id"]])
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"The route {route} was added. Now give it rules, or more models.")
            return _to_route(request, route.id)
    return render(request, "gateway/route_create.html", {"form": form}, status=422 if form.is_bound else 200)


@tenant_page({"GET": "gateway.view", "POST": "gateway.manage"})
def route_edit(request: TenantRequest, route_id: UUID) -> HttpResponse:
    """A route with all its parts. POST saves the part that `part` names: chain, policy or name."""
    route = selectors.get_route(route_id)
    forms = _forms(route, request.POST if request.method == "POST" else None, part=request.POST.get("part", "chain"))
    bound = next((form for form in forms.values() if form.is_bound), None)
    if bound is not None and bound.is_valid():
        try:
            _save(route, bound)
        except Problem as problem:
            add_problem(bound, problem)
        else:
            messages.success(request, "The route was saved and counts from the next call on.")
            return _to_route(request, route.id)
    status = 422 if bound is not None else 200
    return render(request, "gateway/route_edit.html", _context(route, forms), status=status)


@tenant_page({"POST": "gateway.manage"})
def route_delete(request: TenantRequest, route_id: UUID) -> HttpResponse:
    """Remove a named route."""
    name = str(selectors.get_route(route_id))
    try:
        routes.delete_route(route_id=route_id)
    except Problem as problem:
        messages.error(request, problem.detail)
        return _to_route(request, route_id)
    messages.success(
        request, f"The route {name} was removed. Assistants that named it follow the organisation's route."
    )
    return redirect("gateway:model_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "gateway.view"})
def route_dry_run(request: TenantRequest, route_id: UUID) -> HttpResponse:
    """Which rule wins for a message, and why each other one does not. Changes nothing and asks no model."""
    route = selectors.get_route(route_id)
    form = DryRunForm(request.POST)
    context: dict[str, Any] = {"dry_run": form}
    if form.is_valid():
        values = form.cleaned_data
        asked = Asked(values["message"], has_attachment=values["has_attachment"], needs_tools=values["needs_tools"])
        context["tried"] = selectors.dry_run(route, asked)
    status = 200 if form.is_valid() else 422
    if request.htmx:
        return render(request, "gateway/_dry_run.html", context, status=status)
    return render(request, "gateway/route_edit.html", {**_context(route, _forms(route)), **context}, status=status)


@tenant_page("gateway.manage")
def rule_create(request: TenantRequest, route_id: UUID) -> HttpResponse:
    """A new rule, behind the others."""
    return _rule_page(request, selectors.get_route(route_id), None)


@tenant_page("gateway.manage")
def rule_edit(request: TenantRequest, route_id: UUID, rule_id: str) -> HttpResponse:
    """Change a rule."""
    route = selectors.get_route(route_id)
    rule = next((rule for rule in read_rules(route.rules) if rule.id == rule_id), None)
    if rule is None:
        raise NotFound("There is no such rule. Somebody may have removed it.")
    return _rule_page(request, route, rule)


@tenant_page({"POST": "gateway.manage"})
def rule_move(request: TenantRequest, route_id: UUID, rule_id: str) -> HttpResponse:
    """One place up or down: a button each, so that order needs no mouse."""
    routes.move_rule(route_id=route_id, rule_id=rule_id, by=-1 if request.POST.get("to") == "up" else 1)
    if request.htmx:
        route = selectors.get_route(route_id)
        return render(request, "gateway/_rules.html", {**_rules(route), "moved": rule_id})
    return _to_route(request, route_id)


@tenant_page({"POST": "gateway.manage"})
def rule_delete(request: TenantRequest, route_id: UUID, rule_id: str) -> HttpResponse:
    """Take a rule out."""
    routes.remove_rule(route_id=route_id, rule_id=rule_id)
    messages.success(request, "The rule was removed.")
    return _to_route(request, route_id)


def _rule_page(request: TenantRequest, route: Route, rule: Rule | None) -> HttpResponse:
    form = RuleForm(
        request.POST or None, models=selectors.list_chat_choices(), initial=rule_initial(rule) if rule else None
    )
    if request.method == "POST" and form.is_valid():
        try:
            routes.put_rule(route_id=route.id, rule=form.rule(rule.id if rule else ""))
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The rule was saved and counts from the next message on.")
            return _to_route(request, route.id)
    context = {"form": form, "route": route, "rule": rule}
    return render(request, "gateway/rule_form.html", context, status=422 if form.is_bound else 200)


def _forms(route: Route, data: Any = None, *, part: str = "") -> dict[str, Any]:
    is_search = route.purpose == RoutePurpose.EMBED
    kind = ModelKind.EMBED if is_search else ModelKind.CHAT
    options = [(f"{model.label} · {model.provider.name}", model) for model in selectors.list_models(kind=kind)]
    chosen = [choice.model_id for choice in route.choices.all()]
    places = 1 if is_search else min(len(options), len(chosen) + _EMPTY_PLACES)
    forms: dict[str, Any] = {
        "form": RouteForm(data if part == "chain" else None, models=options, chosen=chosen, places=places)
    }
    if route.purpose == RoutePurpose.CHAT:
        policy = policy_json(read_policy(route.policy))
        forms["policy_form"] = PolicyForm(data if part == "policy" else None, initial=policy)
        if not route.is_default:
            forms["name_form"] = NameForm(data if part == "name" else None, initial={"name": route.name})
    return forms


def _save(route: Route, form: Any) -> None:
    match form:
        case PolicyForm():
            routes.set_policy(route_id=route.id, policy=form.cleaned_data)
        case NameForm():
            routes.rename_route(route_id=route.id, name=form.cleaned_data["name"])
        case _:
            routes.set_route(route_id=route.id, model_ids=form.model_ids())


def _context(route: Route, forms: dict[str, Any]) -> dict[str, Any]:
    return {
        **about_route(route),
        **_rules(route),
        **forms,
        "is_search": route.purpose == RoutePurpose.EMBED,
        "is_chat": route.purpose == RoutePurpose.CHAT,
        "dry_run": DryRunForm(),
    }


def _rules(route: Route) -> dict[str, Any]:
    rules = read_rules(route.rules)
    labels = dict(selectors.list_models().values_list("id", "label"))
    rows = []
    for rule in rules:
        total = sum(target.weight for target in rule.targets)
        targets = [
            {"label": labels.get(target.model_id, "A removed model"), "percent": round(100 * target.weight / total)}
            for target in rule.targets
        ]
        rows.append({"rule": rule, "sentence": rule.sentence(), "targets": targets})
    return {"route": route, "rules": rows}


def _to_route(request: TenantRequest, route_id: UUID) -> HttpResponse:
    return redirect("gateway:route_edit", tenant_slug=request.tenant.slug, route_id=route_id)
