"""The page of few-shot examples: rows, a form for one, and a file for many."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.assistants import selectors
from apps.assistants.models import LONGEST_EXAMPLE_ANSWER, LONGEST_EXAMPLE_QUESTION, MOST_EXAMPLE_TOKENS, Assistant
from apps.assistants.services import examples
from apps.assistants.services.assistants import update_draft
from apps.assistants.ui import context
from parley.errors import Invalid, NotFound
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import NamesField, add_problem

_PER_PAGE = 50
_UNPROCESSABLE = 422


class ExampleForm(forms.Form):
    """A question with the answer it should get."""

    question = forms.CharField(max_length=LONGEST_EXAMPLE_QUESTION, widget=forms.Textarea(attrs={"rows": 2}))
    answer = forms.CharField(max_length=LONGEST_EXAMPLE_ANSWER, widget=forms.Textarea(attrs={"rows": 4}))
    tags = NamesField(required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    is_enabled = forms.BooleanField(label="In use", required=False, initial=True)


class RoomForm(forms.Form):
    """How many tokens of a prompt examples may take."""

    example_tokens = forms.IntegerField(min_value=0, max_value=MOST_EXAMPLE_TOKENS)


@tenant_page({"GET": "assistants.view", "POST": "assistants.edit"})
def example_list(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """The examples of the draft; POST adds one."""
    assistant = selectors.get_assistant(assistant_id)
    form = ExampleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            examples.add_example(assistant_id=assistant.id, **form.cleaned_data)
        except Invalid as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The example was added to the draft.")
            return _back(request, assistant)
    rows = Paginator(selectors.list_examples(assistant), _PER_PAGE).get_page(request.GET.get("page"))
    values = {**context.page(request, assistant, tab="examples"), "page": rows, "form": form}
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "assistants/example_list.html", values, status=status)


@tenant_page({"GET": "assistants.edit", "POST": "assistants.edit"})
def example_edit(request: TenantRequest, assistant_id: UUID, example_id: UUID) -> HttpResponse:
    """Change one example."""
    assistant = selectors.get_assistant(assistant_id)
    example = selectors.get_example(example_id)
    if example.assistant_id != assistant.id:
        raise NotFound("There is no such example.")
    initial = {name: getattr(example, name) for name in ("question", "answer", "tags", "is_enabled")}
    form = ExampleForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            examples.change_example(example_id=example.id, **form.cleaned_data)
        except Invalid as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The example was changed.")
            return _back(request, assistant)
    values = {**context.page(request, assistant, tab="examples"), "form": form, "example": example}
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "assistants/example_edit.html", values, status=status)


@tenant_page({"POST": "assistants.edit"})
def example_delete(request: TenantRequest, assistant_id: UUID, example_id: UUID) -> HttpResponse:
    """Take one example out of the draft."""
    assistant = selectors.get_assistant(assistant_id)
    if selectors.get_example(example_id).assistant_id != assistant.id:
        raise NotFound("There is no such example.")
    examples.delete_example(example_id=example_id)
    messages.success(request, "The example was taken out of the draft.")
    return _back(request, assistant)


@tenant_page({"POST": "assistants.edit"})
def example_import(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Add the lines of a CSV file, all or none."""
    assistant = selectors.get_assistant(assistant_id)
    upload = request.FILES.get("file")
    content = upload.read(examples.MOST_IMPORT_BYTES + 1) if upload else b""
    try:
        done = examples.import_examples(assistant_id=assistant.id, content=content)
    except Invalid as problem:
        sentences = [sentence for each in problem.errors.values() for sentence in each]
        messages.error(request, f"Nothing was imported. {' '.join(sentences[:3])}")
    else:
        known = f" {done.known} were there already." if done.known else ""
        messages.success(request, f"{done.added} examples were added.{known}")
    return _back(request, assistant)


@tenant_page({"POST": "assistants.edit"})
def example_room(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Say how many tokens examples may take."""
    assistant = selectors.get_assistant(assistant_id)
    form = RoomForm(request.POST)
    if form.is_valid():
        update_draft(assistant_id=assistant.id, example_tokens=form.cleaned_data["example_tokens"])
        messages.success(request, "Saved in the draft.")
    else:
        messages.error(request, f"Choose a number from 0 to {MOST_EXAMPLE_TOKENS:,}.")
    return _back(request, assistant)


def _back(request: TenantRequest, assistant: Assistant) -> HttpResponse:
    kwargs = {"tenant_slug": request.tenant.slug, "assistant_id": assistant.id}
    return redirect(reverse("assistants:example_list", kwargs=kwargs))
