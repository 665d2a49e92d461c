"""Pages of FAQ entries and curated answers of a knowledge base."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.knowledge import selectors
from apps.knowledge.enums import EntryKind
from apps.knowledge.models import Entry, KnowledgeBase
from apps.knowledge.services import entries
from apps.knowledge.ui.forms import EntryForm, EntryImportForm
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import NotFound, Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_PER_PAGE = 50
_MAX_REASONS = 10


@tenant_page({"GET": "knowledge.view"})
def entry_list(request: TenantRequest, base_id: UUID, kind: str) -> HttpResponse:
    """The entries of one kind."""
    base = selectors.get_knowledge_base(base_id)
    return render(request, "knowledge/entry_list.html", _context(request, base, _kind(kind)))


@tenant_page("knowledge.edit")
def entry_add(request: TenantRequest, base_id: UUID, kind: str) -> HttpResponse:
    """A new entry; the address may name the `question` and, as `also`, other ways to ask it."""
    base, of_kind = selectors.get_knowledge_base(base_id), _kind(kind)
    form = EntryForm(request.POST or None, initial=EntryForm.values_asked(request.GET))
    if request.method == "POST" and form.is_valid():
        try:
            entries.add_entry(knowledge_base_id=base.id, kind=of_kind, **form.words())
        except Problem as problem:
            add_problem(form, problem)
        else:
            sentence = "The draft was saved. It is said once you approve it." if of_kind == EntryKind.CURATED else ""
            messages.success(request, sentence or "The entry was added. It can be found in a moment.")
            return _to_list(request, base.id, of_kind)
    context = {"form": form, "base": base, "kind": of_kind}
    return render(request, "knowledge/entry_edit.html", context, status=422 if form.is_bound else 200)


@tenant_page("knowledge.edit")
def entry_edit(request: TenantRequest, entry_id: UUID) -> HttpResponse:
    """Other words for an entry."""
    entry = selectors.get_entry(entry_id)
    initial = {name: getattr(entry, name) for name in EntryForm.base_fields}
    initial["phrasings"] = "\n".join(entry.phrasings)
    form = EntryForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            entries.update_entry(entry_id=entry.id, **form.words())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved.")
            return _to_list(request, entry.knowledge_base_id, EntryKind(entry.kind))
    base = selectors.get_knowledge_base(entry.knowledge_base_id)
    context = {"form": form, "base": base, "entry": entry, "kind": EntryKind(entry.kind)}
    return render(request, "knowledge/entry_edit.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "knowledge.edit"})
def entry_approve(request: TenantRequest, entry_id: UUID) -> HttpResponse:
    """Approve a curated answer, or withdraw it with `withdraw=1`."""
    entry = selectors.get_entry(entry_id)
    try:
        if request.POST.get("withdraw") == "1":
            entries.withdraw_entry(entry_id=entry.id)
            messages.success(request, "It is a draft again and is not said any more.")
        else:
            entries.approve_entry(entry_id=entry.id)
            messages.success(request, "Approved. Whoever asks this gets exactly this answer.")
    except Problem as problem:
        messages.error(request, problem.detail)
    return _to_list(request, entry.knowledge_base_id, EntryKind(entry.kind))


@tenant_page({"POST": "knowledge.edit"})
def entry_delete(request: TenantRequest, entry_id: UUID) -> HttpResponse:
    """Delete an entry."""
    entry = selectors.get_entry(entry_id)
    entries.delete_entry(entry_id=entry.id)
    messages.success(request, f"“{entry.question}” was deleted.")
    return _to_list(request, entry.knowledge_base_id, EntryKind(entry.kind))


@tenant_page({"POST": "knowledge.edit"})
def entry_import(request: TenantRequest, base_id: UUID, kind: str) -> HttpResponse:
    """Add the lines of a CSV file; those that cannot be used are named with their number."""
    base, of_kind = selectors.get_knowledge_base(base_id), _kind(kind)
    upload = request.FILES.get("file")
    if upload is None:
        messages.error(request, "Choose a CSV file.")
        return _to_list(request, base.id, of_kind)
    try:
        result = entries.import_entries(knowledge_base_id=base.id, kind=of_kind, content=upload.read())
    except Problem as problem:
        messages.error(request, problem.detail)
        return _to_list(request, base.id, of_kind)
    if result.added:
        messages.success(request, f"{result.added} entries were added.")
    for number, sentence in result.problems[:_MAX_REASONS]:
        messages.error(request, f"Line {number}: {sentence}")
    if len(result.problems) > _MAX_REASONS:
        messages.error(request, f"{len(result.problems) - _MAX_REASONS} more lines were not added.")
    return _to_list(request, base.id, of_kind)


def _context(request: TenantRequest, base: KnowledgeBase, kind: EntryKind) -> dict[str, Any]:
    found = selectors.list_entries(knowledge_base_id=base.id, kind=kind)
    page: Any = Paginator(found, _PER_PAGE).get_page(request.GET.get("page"))
    listed: list[Entry] = list(page)
    return {
        "base": base,
        "kind": kind,
        "page": page,
        "entries": listed,
        "import_form": EntryImportForm(),
        "tabs": tabs(request, base.id, "curated" if kind == EntryKind.CURATED else "faq"),
    }


def _kind(kind: str) -> EntryKind:
    if kind not in EntryKind.values:
        raise NotFound("There is no such page.")
    return EntryKind(kind)


def _to_list(request: TenantRequest, base_id: UUID, kind: EntryKind) -> HttpResponse:
    return redirect("knowledge:entry_list", tenant_slug=request.tenant.slug, base_id=base_id, kind=kind.value)
