"""Pages of knowledge bases: list, one base with its documents and a retrieval test, edit, delete."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.knowledge import selectors
from apps.knowledge.models import KnowledgeBase
from apps.knowledge.services import knowledge_bases
from apps.knowledge.ui import presenting
from apps.knowledge.ui.forms import BaseForm, DescribeForm, SearchForm, TextForm
from apps.knowledge.ui.source_presenting import source_context
from apps.knowledge.ui.views.tabs import tabs
from apps.knowledge.usage import knowledge_usage
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

DOCUMENTS_PER_PAGE = 50
_RESULTS = 8


@tenant_page("knowledge.view")
def base_list(request: TenantRequest) -> HttpResponse:
    """Every knowledge base with what is in it."""
    page = Paginator(selectors.list_knowledge_bases(), 60).get_page(request.GET.get("page"))
    return render(request, "knowledge/base_list.html", {"page": page, "usage": knowledge_usage()})


@tenant_page("knowledge.edit")
def base_create(request: TenantRequest) -> HttpResponse:
    """A new knowledge base; leads straight to its drop zone."""
    form = BaseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            base = knowledge_bases.create_knowledge_base(**form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)
    status = 422 if form.is_bound else 200
    return render(request, "knowledge/base_edit.html", {"form": form}, status=status)


@tenant_page("knowledge.edit")
def base_edit(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Name and description, and the way to delete it."""
    base = selectors.get_knowledge_base(base_id)
    form = BaseForm(
        request.POST or None, initial={"name": base.name, "description": base.description, "language": base.language}
    )
    if request.method == "POST" and form.is_valid():
        try:
            knowledge_bases.update_knowledge_base(knowledge_base_id=base.id, **form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved.")
            return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)
    status = 422 if form.is_bound else 200
    return render(request, "knowledge/base_edit.html", {"form": form, "base": base}, status=status)


@tenant_page({"POST": "knowledge.edit"})
def base_delete(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Delete a knowledge base for good; its name must be typed."""
    base = selectors.get_knowledge_base(base_id)
    if request.POST.get("confirmation") != base.name:
        messages.error(request, "Type the name of the knowledge base to delete it. Nothing was deleted.")
        return redirect("knowledge:base_edit", tenant_slug=request.tenant.slug, base_id=base.id)
    knowledge_bases.delete_knowledge_base(knowledge_base_id=base.id)
    messages.success(request, f"“{base.name}” was deleted with all its documents.")
    return redirect("knowledge:base_list", tenant_slug=request.tenant.slug)


@tenant_page("knowledge.view")
def base_detail(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """A knowledge base: drop zone, documents with their state, and a retrieval test for `?q=`."""
    base = selectors.get_knowledge_base(base_id)
    return render(request, "knowledge/base_detail.html", base_context(request, base))


def base_context(request: TenantRequest, base: KnowledgeBase, text_form: TextForm | None = None) -> dict[str, Any]:
    """What the page of a base needs; `text_form` carries a refused text back."""
    documents = selectors.list_documents(knowledge_base_id=base.id)
    page = Paginator(documents, DOCUMENTS_PER_PAGE).get_page(request.GET.get("page"))
    rows = presenting.document_rows(page)
    return {
        "base": base,
        "tabs": tabs(request, base.id, "documents"),
        "page": page,
        "rows": rows,
        "unfinished": [row.document.id for row in rows if row.is_unfinished],
        "text_form": text_form or TextForm(),
        "describe_form": DescribeForm(auto_id="upload_%s"),
        "known_tags": selectors.list_access_tags(knowledge_base_id=base.id),
        **source_context(base),
        "accept": presenting.ACCEPT,
        "max_bytes": presenting.MAX_BYTES,
        "drop_hint": presenting.DROP_HINT,
        **_search(request, base),
    }


def _search(request: TenantRequest, base: KnowledgeBase) -> dict[str, Any]:
    form = SearchForm(request.GET)
    question = form.cleaned_data["q"].strip() if form.is_valid() else ""
    if not question:
        return {"question": "", "found": None, "search_problem": ""}
    try:
        passages = selectors.search(knowledge_base_ids=[base.id], query=question, limit=_RESULTS)
    except Problem as problem:
        return {"question": question, "found": None, "search_problem": problem.detail}
    return {"question": question, "found": presenting.found_passages(passages, question), "search_problem": ""}
