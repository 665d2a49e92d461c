"""Pages and actions of sources: add with a preview, sync, cancel, edit, delete, and the sync log."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.knowledge import selectors
from apps.knowledge.models import Source
from apps.knowledge.services import source_preview as previewing
from apps.knowledge.services import sources
from apps.knowledge.ui.source_forms import SourceForm, initial_of
from apps.knowledge.ui.source_presenting import run_row, source_context, source_rows
from parley.db.threads import in_thread
from parley.errors import Invalid, Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

RUNS_PER_PAGE = 20


@tenant_page("knowledge.edit")
def source_create(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Add an address; its first sync starts at once."""
    base = selectors.get_knowledge_base(base_id)
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            source = sources.create_source(knowledge_base_id=base.id, address=form.values()[0], settings=form.settings)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The source was added. Its first sync has started.")
            return _to_source(request, source)
    context = {"form": form, "base": base}
    return render(request, "knowledge/source_edit.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "knowledge.edit"}, streaming=True)
async def source_preview(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The first addresses that a filled-in form would fetch. The site is asked outside of any transaction."""
    form = SourceForm(request.POST)

    def look() -> dict[str, object]:
        with tenant_tx():
            selectors.get_knowledge_base(base_id)
        if not form.is_valid():
            return {"problems": [error for errors in form.errors.values() for error in errors]}
        try:
            return {"preview": previewing.preview_source(address=form.values()[0], settings=form.settings)}
        except Invalid as problem:
            return {"problems": [sentence for each in problem.errors.values() for sentence in each] or [problem.detail]}
        except Problem as problem:
            return {"problems": [problem.detail]}

    return render(request, "knowledge/_source_preview.html", await in_thread(look))


@tenant_page("knowledge.view")
def source_list(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The sources of a base as they are now, for a page that watches a sync."""
    base = selectors.get_knowledge_base(base_id)
    context = {"base": base, "tenant_slug": request.tenant.slug, **source_context(base)}
    context["may_edit"] = request.actor.can("knowledge.edit")
    return render(request, "knowledge/_sources.html", context)


@tenant_page("knowledge.view")
def source_detail(request: TenantRequest, source_id: UUID) -> HttpResponse:
    """A source and its sync log; `?run=` shows the pages of an older sync that made trouble."""
    source = selectors.get_source(source_id)
    page = Paginator(selectors.list_source_runs(source_id=source.id), RUNS_PER_PAGE).get_page(request.GET.get("page"))
    rows = [run_row(run) for run in page]
    (row,) = source_rows([source])
    chosen = next((each for each in rows if str(each.run.id) == request.GET.get("run")), row.last)
    context = {"source": source, "row": row, "page": page, "rows": rows, "chosen": chosen}
    template = "knowledge/source_detail.html"
    return render(request, f"{template}#log" if request.htmx else template, context)


@tenant_page("knowledge.edit")
def source_edit(request: TenantRequest, source_id: UUID) -> HttpResponse:
    """Change a source; the next sync takes it over."""
    source = selectors.get_source(source_id)
    form = SourceForm(request.POST or None, initial=initial_of(source))
    if request.method == "POST" and form.is_valid():
        address, settings = form.values()
        try:
            sources.update_source(source_id=source.id, address=address, **settings)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved. The next sync takes it over.")
            return _to_source(request, source)
    (row,) = source_rows([source])
    context = {"form": form, "base": source.knowledge_base, "source": source, "row": row}
    return render(request, "knowledge/source_edit.html", context, status=422 if form.is_bound else 200)


@tenant_page({"POST": "knowledge.edit"})
def source_sync(request: TenantRequest, source_id: UUID) -> HttpResponse:
    """Start a sync now, deleting what is gone however much it is if that was confirmed."""
    source = selectors.get_source(source_id)
    try:
        sources.start_run(source_id=source.id, accepts_losses=request.POST.get("accept") == "losses")
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        messages.success(request, "The sync has started.")
    return _to_source(request, source)


@tenant_page({"POST": "knowledge.edit"})
def source_cancel(request: TenantRequest, source_id: UUID) -> HttpResponse:
    """Stop the running sync."""
    source = selectors.get_source(source_id)
    if sources.cancel_run(source_id=source.id):
        messages.success(request, "The sync was cancelled. What it took in so far stays.")
    return _to_source(request, source)


@tenant_page({"POST": "knowledge.edit"})
def source_delete(request: TenantRequest, source_id: UUID) -> HttpResponse:
    """Delete a source, with its documents or without."""
    source = selectors.get_source(source_id)
    with_documents = request.POST.get("documents") == "delete"
    count = sources.delete_source(source_id=source.id, with_documents=with_documents)
    noun = "document" if count == 1 else "documents"
    fate = f"{count:,} {noun} went with it." if with_documents else f"{count:,} {noun} stayed."
    messages.success(request, f"The source was deleted. {fate}")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=source.knowledge_base_id)


def _to_source(request: TenantRequest, source: Source) -> HttpResponse:
    return redirect("knowledge:source_detail", tenant_slug=request.tenant.slug, source_id=source.id)
