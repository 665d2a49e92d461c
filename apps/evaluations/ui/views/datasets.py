"""Data sets and their cases: lists, inline editing, CSV import."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.conversations import selectors as conversations
from apps.evaluations import selectors
from apps.evaluations.models import Case, Dataset
from apps.evaluations.services import case_files, cases, datasets
from apps.evaluations.ui.forms import CaseForm, DatasetCaseForm, DatasetForm
from apps.evaluations.ui.views.tabs import tabs
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

PER_PAGE = 50
UNPROCESSABLE = 422
CSV_EXAMPLE = """question,expected_facts,expected_document,notes
How many seats are in the Team plan?,15 seats | fifteen seats,pricing.md,
Which formats can I upload?,"PDF
DOCX",knowledge.md,both must be named
"""


@tenant_page("evaluations.view")
def dataset_list(request: TenantRequest) -> HttpResponse:
    """All data sets."""
    context = {"datasets": selectors.list_datasets(), "tabs": tabs(request, "datasets")}
    return render(request, "evaluations/dataset_list.html", context)


@tenant_page("evaluations.edit")
def dataset_create(request: TenantRequest) -> HttpResponse:
    """A new, empty data set."""
    form = DatasetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            dataset = datasets.create_dataset(**form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _to_dataset(request, dataset)
    return _form_page(request, "evaluations/dataset_edit.html", form, {"dataset": None})


@tenant_page("evaluations.edit")
def dataset_edit(request: TenantRequest, dataset_id: UUID) -> HttpResponse:
    """Name and description."""
    dataset = selectors.get_dataset(dataset_id)
    initial = {"name": dataset.name, "description": dataset.description}
    form = DatasetForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            datasets.update_dataset(dataset_id=dataset_id, **form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _to_dataset(request, dataset)
    return _form_page(request, "evaluations/dataset_edit.html", form, {"dataset": dataset})


@tenant_page({"POST": "evaluations.edit"})
def dataset_delete(request: TenantRequest, dataset_id: UUID) -> HttpResponse:
    """Delete a data set with its cases."""
    datasets.delete_dataset(dataset_id=dataset_id)
    messages.success(request, "The data set and its cases are deleted. Finished experiments keep their results.")
    return redirect("evaluations:dataset_list", tenant_slug=request.tenant.slug)


@tenant_page("evaluations.view")
def dataset_detail(request: TenantRequest, dataset_id: UUID) -> HttpResponse:
    """The cases of a data set, with a form for the next one."""
    dataset = selectors.get_dataset(dataset_id)
    return _cases_page(request, dataset, CaseForm(), number=request.GET.get("page", "1"))


@tenant_page({"POST": "evaluations.edit"})
def case_add(request: TenantRequest, dataset_id: UUID) -> HttpResponse:
    """Add one case and show the last page, where it is."""
    dataset = selectors.get_dataset(dataset_id)
    form = CaseForm(request.POST)
    if form.is_valid():
        try:
            cases.add_case(dataset_id=dataset_id, case=form.spec)
        except Problem as problem:
            add_problem(form, problem)
        else:
            if not request.htmx:
                return _to_dataset(request, dataset)
            return _cases_page(request, selectors.get_dataset(dataset_id), CaseForm(), number="last")
    return _cases_page(request, dataset, form, number="last")


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def case_edit(request: TenantRequest, case_id: UUID) -> HttpResponse:
    """Edit a case: in its row with htmx, on a page of its own without."""
    case = selectors.get_case(case_id)
    form = CaseForm(request.POST or None, initial=CaseForm.values_of(case), prefix=f"c{case.id.hex[-8:]}")
    if request.method == "POST" and form.is_valid():
        try:
            case = cases.update_case(case_id=case_id, case=form.spec)
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _row(request, case) if request.htmx else _to_dataset(request, case.dataset)
    template = "evaluations/_case_form_row.html" if request.htmx else "evaluations/case_edit.html"
    return _form_page(request, template, form, {"case": case, "dataset": case.dataset})


@tenant_page("evaluations.view")
def case_row(request: TenantRequest, case_id: UUID) -> HttpResponse:
    """One row of the table again, when editing was given up."""
    return _row(request, selectors.get_case(case_id))


@tenant_page({"POST": "evaluations.edit"})
def case_delete(request: TenantRequest, case_id: UUID) -> HttpResponse:
    """Remove a case."""
    dataset = selectors.get_case(case_id).dataset
    cases.delete_case(case_id=case_id)
    messages.success(request, "The case is removed.")
    return _to_dataset(request, dataset)


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def case_import(request: TenantRequest, dataset_id: UUID) -> HttpResponse:
    """Upload a CSV file; every wrong row is named and nothing is half imported."""
    dataset = selectors.get_dataset(dataset_id)
    problem: Problem | None = None
    if request.method == "POST":
        try:
            count = _import(request, dataset)
        except Problem as refused:
            problem = refused
        else:
            messages.success(request, f"{count:,} {'case' if count == 1 else 'cases'} imported.")
            return _to_dataset(request, dataset)
    context = {
        "dataset": dataset,
        "problem": problem,
        "rows": problem.extra.get("errors", {}).get("rows", []) if problem else [],
        "example": CSV_EXAMPLE,
        "max_bytes": case_files.MAX_BYTES,
    }
    status = UNPROCESSABLE if problem else 200
    return render(request, "evaluations/case_import.html", context, status=status)


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def case_from_message(request: TenantRequest, message_id: UUID) -> HttpResponse:
    """Make a case from a rated answer: its question is copied, what is right is written down."""
    exchange = conversations.get_exchange(message_id)
    known = list(selectors.list_datasets())
    if not known:
        messages.info(request, "Make a data set first, then add the answer to it.")
        return redirect("evaluations:dataset_create", tenant_slug=request.tenant.slug)
    form = DatasetCaseForm(
        request.POST or None,
        datasets=known,
        initial={"question": exchange.question, "notes": exchange.comment},
    )
    if request.method == "POST" and form.is_valid():
        try:
            case = cases.add_case_from_message(
                dataset_id=UUID(form.cleaned_data["dataset"]), message_id=message_id, case=form.spec
            )
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The question is now a case of the data set.")
            return _to_dataset(request, case.dataset)
    return _form_page(request, "evaluations/case_from_message.html", form, {"exchange": exchange})


@tenant_page({"GET": "evaluations.edit", "POST": "evaluations.edit"})
def case_from_question(request: TenantRequest) -> HttpResponse:
    """Make a case of a question that was tried elsewhere: `?question=` and the `?document=` that answers it."""
    known = list(selectors.list_datasets())
    if not known:
        messages.info(request, "Make a data set first, then save the question in it.")
        return redirect("evaluations:dataset_create", tenant_slug=request.tenant.slug)
    asked = {"question": request.GET.get("question", ""), "expected_document": request.GET.get("document", "")}
    form = DatasetCaseForm(request.POST or None, datasets=known, initial=asked)
    if request.method == "POST" and form.is_valid():
        try:
            case = cases.add_case(dataset_id=UUID(form.cleaned_data["dataset"]), case=form.spec)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The question is now a case of the data set.")
            return _to_dataset(request, case.dataset)
    return _form_page(request, "evaluations/case_from_question.html", form, {})


def _import(request: TenantRequest, dataset: Dataset) -> int:
    upload = request.FILES.get("file")
    if upload is None:
        raise Problem("Choose a CSV file first.")
    return cases.import_upload(dataset_id=dataset.id, upload=upload)


def _cases_page(request: TenantRequest, dataset: Dataset, form: CaseForm, *, number: str) -> HttpResponse:
    pages = Paginator(selectors.list_cases(dataset.id), PER_PAGE)
    page: Page[Case] = pages.get_page(pages.num_pages if number == "last" else number)
    context = {"dataset": dataset, "page": page, "form": form, "tabs": tabs(request, "datasets")}
    template = "evaluations/dataset_detail.html"
    if request.htmx and request.method == "POST":
        template += "#cases"
    status = UNPROCESSABLE if form.is_bound and not form.is_valid() else 200
    return render(request, template, context, status=status)


def _row(request: TenantRequest, case: Case) -> HttpResponse:
    return render(request, "evaluations/_case_row.html", {"case": case})


def _form_page(
    request: TenantRequest, template: str, form: DatasetForm | CaseForm, context: dict[str, Any]
) -> HttpResponse:
    status = UNPROCESSABLE if form.is_bound and form.errors else 200
    return render(request, template, {"form": form, **context}, status=status)


def _to_dataset(request: TenantRequest, dataset: Dataset) -> HttpResponse:
    return redirect("evaluations:dataset_detail", tenant_slug=request.tenant.slug, dataset_id=dataset.id)
