"""Pages of prompts: shared blocks, and the exact prompt that a question would send."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.assistants import selectors
from apps.assistants.contracts import VersionSpec
from apps.assistants.services import assistants, blocks, previews
from apps.assistants.ui import context
from parley.db.threads import in_thread
from parley.errors import Conflict, Invalid, Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_PER_PAGE = 50
_UNPROCESSABLE = 422
_LONGEST_QUESTION = 20_000


class BlockForm(forms.Form):
    """A new block with its first text."""

    name = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    slug = forms.SlugField(
        label="Short name",
        max_length=60,
        required=False,
        help_text="What prompts write: {{> short-name }}. Empty: made from the name.",
    )
    text = forms.CharField(
        max_length=blocks.LONGEST_BLOCK, widget=forms.Textarea(attrs={"rows": 10, "class": "prompt-text"})
    )


class BlockTextForm(forms.Form):
    """The next text of a block."""

    text = forms.CharField(
        max_length=blocks.LONGEST_BLOCK, widget=forms.Textarea(attrs={"rows": 10, "class": "prompt-text"})
    )
    note = forms.CharField(
        max_length=300,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Why it changes.",
    )


@tenant_page({"GET": "assistants.view"})
def block_list(request: TenantRequest) -> HttpResponse:
    """All prompt blocks of the organisation."""
    page = Paginator(selectors.list_blocks(), _PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "assistants/block_list.html", {"page": page, "current_nav": "assistants"})


@tenant_page({"GET": "assistants.edit", "POST": "assistants.edit"})
def block_create(request: TenantRequest) -> HttpResponse:
    """A form for a new block."""
    form = BlockForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            block = blocks.create_block(**form.cleaned_data)
        except (Invalid, Conflict) as problem:
            add_problem(form, problem)
        else:
            messages.success(request, f"{block.name} is ready. Prompts use it as {{{{> {block.slug} }}}}.")
            return redirect(_block_url(request, block.slug))
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "assistants/block_create.html", {"form": form}, status=status)


@tenant_page({"GET": "assistants.view", "POST": "assistants.edit"})
def block_detail(request: TenantRequest, slug: str) -> HttpResponse:
    """A block with its versions and users; saving another text adds a version."""
    block = selectors.get_block(slug)
    versions = list(selectors.list_block_versions(block)[:_PER_PAGE])
    form = BlockTextForm(request.POST or None, initial={"text": versions[0].text if versions else ""})
    if request.method == "POST" and form.is_valid():
        try:
            version = blocks.change_block(block_id=block.id, **form.cleaned_data)
        except Invalid as problem:
            add_problem(form, problem)
        else:
            messages.success(
                request, f"Version {version.number} is the newest. Assistants keep theirs until you renew it."
            )
            return redirect(_block_url(request, slug))
    values = {"block": block, "versions": versions, "users": selectors.list_users_of_block(block)[:50], "form": form}
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "assistants/block_detail.html", values, status=status)


@tenant_page({"POST": "assistants.edit"})
def block_delete(request: TenantRequest, slug: str) -> HttpResponse:
    """Delete a block that no draft uses."""
    block = selectors.get_block(slug)
    try:
        blocks.delete_block(block_id=block.id)
    except Conflict as problem:
        messages.error(request, problem.detail)
        return redirect(_block_url(request, slug))
    messages.success(request, f"{block.name} was deleted.")
    return redirect(reverse("assistants:block_list", kwargs={"tenant_slug": request.tenant.slug}))


@tenant_page({"POST": "assistants.edit"})
def block_renew(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """Let the draft use the newest version of a block."""
    assistant = selectors.get_assistant(assistant_id)
    try:
        assistants.use_newest_blocks(assistant_id=assistant.id, slugs=[request.POST.get("slug", "")])
    except Invalid as problem:
        sentences = [sentence for each in problem.errors.values() for sentence in each]
        messages.error(request, sentences[0] if sentences else problem.detail)
    else:
        messages.success(request, "The draft uses the newest version of the block.")
    kwargs = {"tenant_slug": request.tenant.slug, "assistant_id": assistant.id}
    return redirect(reverse("assistants:assistant_edit", kwargs=kwargs))


@tenant_page({"GET": "assistants.view"}, streaming=True)
async def prompt_preview(request: TenantRequest, assistant_id: UUID) -> HttpResponse:
    """The exact prompt of a question. Values of variables come as `v.<name>`."""
    values, spec = await in_thread(_preview_form, request, assistant_id)
    if question := values["question"]:
        given: dict[str, dict[str, str]] = {}
        for field in values["inputs"]:
            if field["value"]:
                given.setdefault(field["variable"].source, {})[field["variable"].name] = field["value"]
        try:
            values["preview"] = await previews.preview(version=spec, question=question, given=given)
        except Problem as problem:
            values["problem"] = problem.detail
    return await in_thread(_render_preview, request, values)


def _preview_form(request: TenantRequest, assistant_id: UUID) -> tuple[dict[str, Any], VersionSpec]:
    with tenant_tx():
        assistant = selectors.get_assistant(assistant_id)
        name = request.GET.get("version") or selectors.DRAFT
        spec = selectors.named_spec(assistant, name)
        values: dict[str, Any] = {
            **context.page(request, assistant, tab="prompt"),
            "version": name,
            "choices": context.states_to_choose(assistant),
            "question": request.GET.get("question", "").strip()[:_LONGEST_QUESTION],
            "inputs": [
                {"variable": one, "name": f"v.{one.name}", "value": request.GET.get(f"v.{one.name}", "").strip()}
                for one in spec.variables
                if one.source != "constant"
            ],
        }
        return values, spec


def _render_preview(request: TenantRequest, values: dict[str, Any]) -> HttpResponse:
    with tenant_tx():
        return render(request, "assistants/prompt_preview.html", values)


def _block_url(request: TenantRequest, slug: str) -> str:
    return reverse("assistants:block_detail", kwargs={"tenant_slug": request.tenant.slug, "slug": slug})
