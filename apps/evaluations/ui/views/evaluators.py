"""Evaluators: the list, and a form made from the settings of the kind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from apps.evaluations import selectors
from apps.evaluations.models import Evaluator
from apps.evaluations.scorers import Scorer, all_scorers
from apps.evaluations.services import evaluators
from apps.evaluations.ui.forms import EvaluatorForm
from apps.evaluations.ui.views.tabs import tabs
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

UNPROCESSABLE = 422


@tenant_page("evaluations.view")
def evaluator_list(request: TenantRequest) -> HttpResponse:
    """All evaluators, and the kinds that a new one can be."""
    rows = [(row, all_scorers().get(row.kind), _settings_text(row)) for row in selectors.list_evaluators()]
    context = {"rows": rows, "kinds": list(all_scorers().values()), "tabs": tabs(request, "evaluators")}
    return render(request, "evaluations/evaluator_list.html", context)


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def evaluator_create(request: TenantRequest, kind: str) -> HttpResponse:
    """A new evaluator of one kind."""
    scorer = all_scorers().get(kind)
    if scorer is None:
        raise Http404("There is no such kind of evaluator.")
    form = EvaluatorForm(request.POST or None, scorer=scorer, initial={"name": scorer.label})
    if request.method == "POST" and form.is_valid():
        try:
            evaluators.create_evaluator(name=form.cleaned_data["name"], kind=kind, settings=form.settings)
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _to_list(request, f"{form.cleaned_data['name']} is ready to be used in experiments.")
    return _page(request, form, scorer, None)


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def evaluator_edit(request: TenantRequest, evaluator_id: UUID) -> HttpResponse:
    """Name and settings; the kind stays."""
    evaluator = selectors.get_evaluator(evaluator_id)
    scorer = all_scorers()[evaluator.kind]
    initial = {"name": evaluator.name, **evaluator.settings}
    form = EvaluatorForm(request.POST or None, scorer=scorer, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            evaluators.update_evaluator(
                evaluator_id=evaluator_id, name=form.cleaned_data["name"], settings=form.settings
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _to_list(request, "Saved. Experiments that already started keep the settings they had.")
    return _page(request, form, scorer, evaluator)


@tenant_page({"POST": "evaluations.edit"})
def evaluator_delete(request: TenantRequest, evaluator_id: UUID) -> HttpResponse:
    """Delete an evaluator."""
    evaluators.delete_evaluator(evaluator_id=evaluator_id)
    return _to_list(request, "The evaluator is deleted. Results of experiments stay.")


def _settings_text(evaluator: Evaluator) -> str:
    scorer = all_scorers().get(evaluator.kind)
    parts: list[str] = []
    for field in scorer.fields if scorer else ():
        value: Any = evaluator.settings.get(field.name, field.default)
        shown = dict(field.choices).get(value, value) if field.kind == "choice" else value
        parts.append(f"{field.label}: {str(shown).splitlines()[0] if str(shown) else 'none'}")
    return " · ".join(parts)


def _page(request: TenantRequest, form: EvaluatorForm, scorer: Scorer, evaluator: Evaluator | None) -> HttpResponse:
    context = {"form": form, "scorer": scorer, "evaluator": evaluator}
    status = UNPROCESSABLE if form.is_bound and form.errors else 200
    return render(request, "evaluations/evaluator_edit.html", context, status=status)


def _to_list(request: TenantRequest, sentence: str) -> HttpResponse:
    messages.success(request, sentence)
    return redirect("evaluations:evaluator_list", tenant_slug=request.tenant.slug)
