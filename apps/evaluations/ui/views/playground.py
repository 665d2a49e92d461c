"""The playground: the same question to several candidates side by side, and keeping the one that was best."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from apps.assistants import selectors as assistants
from apps.evaluations import selectors
from apps.evaluations.services import trials
from apps.evaluations.ui.forms import Choices
from apps.evaluations.ui.playground_forms import ColumnForm, QuestionForm
from apps.evaluations.ui.version_choices import version_choices
from apps.evaluations.ui.views.tabs import tabs
from apps.gateway import selectors as gateway
from parley.errors import Invalid
from parley.web.access import TenantRequest, tenant_page

FEWEST, MOST = 1, 4
# A set is read as a whole by a person here; experiments judge longer ones.
MOST_QUESTIONS = 20
UNPROCESSABLE = 422


@tenant_page({"GET": "evaluations.run", "POST": "evaluations.run"})
def playground(request: TenantRequest) -> HttpResponse:
    """Choose candidates and a question; a press that only changes the number of columns judges nothing typed."""
    count = _column_count(request)
    is_asked = request.method == "POST" and "columns" not in request.POST
    question, columns = _asked(request, count) if is_asked else _unasked(request, count)
    versions = version_choices([request.GET.get("assistant", ""), *(column.assistant for column in columns)])
    models = _model_choices()
    for column in columns:
        column.offer(versions=versions, models=models)
    rows: list[tuple[str, list[ColumnForm]]] = []
    if is_asked and all([question.is_valid(), *(column.is_valid() for column in columns)]):
        rows = [(text, columns) for text in _questions(question)]
        if not rows:
            question.add_error("dataset", "This set has no questions yet.")
    context = {
        "question": question,
        "columns": columns,
        "rows": rows,
        "has_assistants": bool(versions),
        "more": count + 1 if count < MOST else None,
        "fewer": count - 1 if count > FEWEST else None,
        "tabs": tabs(request, "playground"),
    }
    return render(
        request, "evaluations/playground.html", context, status=UNPROCESSABLE if is_asked and not rows else 200
    )


@tenant_page({"POST": "assistants.edit"})
def playground_use(request: TenantRequest) -> HttpResponse:
    """Make a candidate the draft of its assistant, or a version of it that nobody is shown yet."""
    column = ColumnForm(request.POST)
    if not column.is_valid():
        raise Invalid(column.first_error)
    candidate = column.candidate
    if "save" in request.POST:
        number = trials.save_candidate(candidate, note="Tried in the playground")
        messages.success(request, f"Saved as version {number}. Visitors meet it when you publish it.")
    else:
        trials.use_candidate(candidate)
        messages.success(request, "This is the draft now. Visitors meet it when you publish it.")
    return redirect(
        "assistants:version_list", tenant_slug=request.tenant.slug, assistant_id=candidate.version.assistant_id
    )


def _column_count(request: TenantRequest) -> int:
    asked = request.POST.get("columns") or request.POST.get("column_count") or request.GET.get("columns") or ""
    return min(MOST, max(FEWEST, int(asked))) if asked.isdecimal() else 2


def _asked(request: TenantRequest, count: int) -> tuple[QuestionForm, list[ColumnForm]]:
    question = QuestionForm(request.POST, datasets=_dataset_choices())
    return question, [ColumnForm(request.POST, prefix=f"c{number}") for number in range(count)]


def _unasked(request: TenantRequest, count: int) -> tuple[QuestionForm, list[ColumnForm]]:
    """What was typed so far, or the live version beside the draft of the assistant that was asked for."""
    typed = request.POST or request.GET
    question = QuestionForm(initial=typed.dict(), datasets=_dataset_choices())
    if request.method == "POST":
        initial = [_typed_column(request.POST, number) for number in range(count)]
    else:
        initial = _first_columns(request, count)
    return question, [ColumnForm(prefix=f"c{number}", initial=values) for number, values in enumerate(initial)]


def _typed_column(typed: QueryDict, number: int) -> dict[str, str]:
    """What stands in a column; a new one begins like the one before it."""
    prefix = f"c{number}" if f"c{number}-version" in typed else f"c{number - 1}"
    return {name: typed.get(f"{prefix}-{name}", "") for name in ColumnForm.base_fields}


def _first_columns(request: TenantRequest, count: int) -> list[dict[str, str]]:
    known = list(assistants.list_assistants())
    wanted = request.GET.get("assistant", "")
    row = next((each for each in known if wanted in (each.slug, str(each.id))), known[0] if known else None)
    if row is None:
        return [{}] * count
    columns = [{"version": f"{row.id}:{request.GET.get('version') or 'draft'}"} for _ in range(count)]
    if row.published_version is not None and count > 1:
        columns[0] = {"version": f"{row.id}:{row.published_version.number}"}
    return columns


def _dataset_choices() -> Choices:
    return [(str(row.id), row.name) for row in selectors.list_datasets()]


def _model_choices() -> Choices:
    """Every model that may answer, and the routes that choose one."""
    models = [(f"model:{key}", label) for key, label in gateway.list_chat_choices()]
    routes = [(f"route:{key}", label) for key, label in gateway.list_route_choices()]
    return [("Models", models), *([("Routes", routes)] if routes else [])]


def _questions(form: QuestionForm) -> list[str]:
    if form.cleaned_data["question"]:
        return [form.cleaned_data["question"]]
    cases = selectors.list_cases(selectors.get_dataset(form.cleaned_data["dataset"]).id)
    return [case.question for case in cases[:MOST_QUESTIONS]]
