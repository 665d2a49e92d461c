"""Experiments: the list, the plan, the live page, one case beside what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.evaluations import selectors
from apps.evaluations.models import PlannedCase, PlannedEvaluator, Result
from apps.evaluations.services import experiments
from apps.evaluations.ui.forms import ExperimentForm
from apps.evaluations.ui.version_choices import initial_version, version_choices
from apps.evaluations.ui.views.tabs import tabs
from parley.errors import Conflict, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem
from parley.web.markdown import render_markdown

PER_PAGE = 50
UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of the table with one verdict, or None, per evaluator."""

    case: PlannedCase
    verdicts: list[tuple[PlannedEvaluator, Result | None]]


@tenant_page("evaluations.view")
def experiment_list(request: TenantRequest) -> HttpResponse:
    """All experiments, newest first."""
    page = Paginator(selectors.list_experiments(), PER_PAGE).get_page(request.GET.get("page", "1"))
    summaries = selectors.summarise_many([experiment.id for experiment in page])
    context = {
        "page": page,
        "rows": [(experiment, summaries.get(experiment.id, [])) for experiment in page],
        "has_datasets": selectors.list_datasets().exists(),
        "tabs": tabs(request, "experiments"),
    }
    return render(request, "evaluations/experiment_list.html", context)


@tenant_page({"GET": "evaluations.run", "POST": "evaluations.run"})
def experiment_create(request: TenantRequest) -> HttpResponse:
    """Choose version, data set and evaluators; the number of model calls is shown before the start."""
    form = _form(request)
    if request.method == "POST" and form.is_valid():
        assistant, _, version = form.cleaned_data["version"].partition(":")
        try:
            experiment = experiments.start_experiment(
                version=selectors.get_version(assistant=assistant, version=version),
                dataset_id=UUID(form.cleaned_data["dataset"]),
                evaluator_ids=form.evaluator_ids,
                name=form.cleaned_data["name"],
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            return redirect(
                "evaluations:experiment_detail",
                tenant_slug=request.tenant.slug,
                experiment_id=experiment.id,
            )
    context = {"form": form, "calls": _planned_calls(request), "tabs": tabs(request, "experiments")}
    status = UNPROCESSABLE if form.is_bound and form.errors else 200
    return render(request, "evaluations/experiment_edit.html", context, status=status)


@tenant_page("evaluations.run")
def experiment_plan(request: TenantRequest) -> HttpResponse:
    """How many model calls the choices so far mean; a fragment."""
    return render(request, "evaluations/_planned_calls.html", {"calls": _planned_calls(request)})


@tenant_page("evaluations.view")
def experiment_detail(request: TenantRequest, experiment_id: UUID) -> HttpResponse:
    """Progress, summary and cases; with htmx only the part that changes while it runs."""
    experiment = selectors.get_experiment(experiment_id)
    shown = "problems" if request.GET.get("show") == "problems" else "all"
    planned = selectors.list_planned_cases(experiment.id, only_problems=shown == "problems")
    page = Paginator(planned, PER_PAGE).get_page(request.GET.get("page", "1"))
    evaluators = list(experiment.evaluators.all())
    context = {
        "experiment": experiment,
        "summaries": selectors.summarise(experiment.id),
        "progress": selectors.get_progress(experiment),
        "evaluators": evaluators,
        "page": page,
        "rows": _rows(page, evaluators),
        "views": _views(shown),
        "tabs": tabs(request, "experiments"),
    }
    template = "evaluations/experiment_detail.html"
    return render(request, template + ("#live" if request.htmx else ""), context)


@tenant_page("evaluations.view")
def experiment_case(request: TenantRequest, planned_case_id: UUID) -> HttpResponse:
    """One case: the answer, its citations and every verdict beside what was expected."""
    case = selectors.get_planned_case(planned_case_id)
    before, after = selectors.find_neighbours(case)
    context = {
        "case": case,
        "experiment": case.experiment,
        "answer": render_markdown(case.answer),
        "record": case.record,
        "before": before,
        "after": after,
    }
    template = "evaluations/_experiment_case.html" if request.htmx else "evaluations/experiment_case.html"
    return render(request, template, context)


@tenant_page({"POST": "evaluations.run"})
def experiment_cancel(request: TenantRequest, experiment_id: UUID) -> HttpResponse:
    """Stop an experiment and keep what it has."""
    try:
        experiments.cancel_experiment(experiment_id=experiment_id)
    except Conflict as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "Cancelled. The answers and scores so far are kept.")
    return redirect("evaluations:experiment_detail", tenant_slug=request.tenant.slug, experiment_id=experiment_id)


@tenant_page({"POST": "evaluations.run"})
def experiment_delete(request: TenantRequest, experiment_id: UUID) -> HttpResponse:
    """Delete an experiment with its answers and scores."""
    try:
        experiments.delete_experiment(experiment_id=experiment_id)
    except Conflict as problem:
        messages.error(request, problem.detail)
        return redirect("evaluations:experiment_detail", tenant_slug=request.tenant.slug, experiment_id=experiment_id)
    messages.success(request, "The experiment is deleted.")
    return redirect("evaluations:experiment_list", tenant_slug=request.tenant.slug)


def _form(request: TenantRequest) -> ExperimentForm:
    wanted = request.GET.get("assistant", "")
    evaluators = list(selectors.list_evaluators())
    initial: dict[str, Any] = {
        "version": initial_version(wanted, request.GET.get("version", "")),
        "dataset": request.GET.get("dataset", ""),
        "evaluators": [str(row.id) for row in evaluators if row.kind != "llm_judge"],
    }
    return ExperimentForm(
        request.POST or None,
        initial=initial,
        versions=version_choices([wanted]),
        datasets=selectors.list_datasets(),
        evaluators=evaluators,
    )


def _planned_calls(request: TenantRequest) -> int | None:
    """Model calls of the chosen plan; None until there is one."""
    data = request.POST or request.GET
    dataset = next((row for row in selectors.list_datasets() if str(row.id) == data.get("dataset")), None)
    if dataset is None:
        return None
    chosen = [row for row in selectors.list_evaluators() if str(row.id) in data.getlist("evaluators")]
    return experiments.count_model_calls(case_count=getattr(dataset, "case_count", 0), evaluators=chosen)


def _rows(page: Page[PlannedCase], evaluators: list[PlannedEvaluator]) -> list[CaseRow]:
    rows = []
    for case in page:
        by_evaluator = {result.evaluator_id: result for result in case.results.all()}
        rows.append(CaseRow(case, [(row, by_evaluator.get(row.id)) for row in evaluators]))
    return rows


def _views(shown: str) -> list[dict[str, Any]]:
    return [
        {"label": "All cases", "href": "?", "is_current": shown == "all"},
        {"label": "Not passed", "href": "?show=problems", "is_current": shown == "problems"},
    ]
