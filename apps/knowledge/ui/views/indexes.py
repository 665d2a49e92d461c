"""How a base is indexed: the indexes there are, another cut with its preview, and the way back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.gateway import selectors as gateway
from apps.gateway.enums import ModelKind
from apps.knowledge import indexes, selectors
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.services import rebuilding
from apps.knowledge.ui.forms import CutForm
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import Problem
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

_TRIED_ON = 100


@tenant_page({"GET": "knowledge.view", "POST": "knowledge.edit"})
def index_list(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The indexes of a base. POST builds one of another cut, or with `preview` shows that cut on a document."""
    base = selectors.get_knowledge_base(base_id)
    found = list(indexes.list_indexes(knowledge_base_id=base.id))
    active = next(index for index in found if index.state == "active")
    documents = selectors.list_documents(knowledge_base_id=base.id)[:_TRIED_ON]
    form = CutForm(
        request.POST or None,
        initial={"chunk_tokens": active.chunk_tokens, "embedding_model_id": active.embedding_model_id},
        documents=[(document.id, document.shown_title) for document in documents],
        embedders=gateway.list_choices(ModelKind.EMBED),
    )
    preview = None
    if form.is_bound and form.is_valid():
        try:
            if "preview" not in request.POST:
                with tenant_tx():
                    rebuilding.start_rebuild(
                        knowledge_base_id=base.id,
                        chunk_tokens=form.cleaned_data["chunk_tokens"],
                        embedding_model_id=form.cleaned_data["embedding_model_id"],
                    )
                messages.success(
                    request, "The new index is being built. Searches use the present one until it is ready."
                )
                return redirect("knowledge:index_list", tenant_slug=request.tenant.slug, base_id=base.id)
            if form.cleaned_data["document"]:
                preview = indexes.preview_cut(
                    document=selectors.get_document(form.cleaned_data["document"]),
                    chunk_tokens=form.cleaned_data["chunk_tokens"],
                )
        except Problem as problem:
            add_problem(form, problem)
        except Unreadable as problem:
            form.add_error("document", problem.sentence)
    context = {
        "base": base,
        "indexes": found,
        "is_building": any(index.state == "building" for index in found),
        "form": form,
        "preview": preview,
        "tabs": tabs(request, base.id, "index"),
    }
    return render(request, "knowledge/index_list.html", context, status=422 if form.errors else 200)


@tenant_page({"POST": "knowledge.edit"})
def index_return(request: TenantRequest, search_index_id: UUID) -> HttpResponse:
    """Go back to an index that was active before."""
    index = indexes.get_index(search_index_id)
    try:
        with tenant_tx():
            rebuilding.return_to(search_index_id=index.id)
        messages.success(request, f"Index {index.number} is brought up to date and then answers.")
    except Problem as problem:
        messages.error(request, problem.detail)
    return redirect("knowledge:index_list", tenant_slug=request.tenant.slug, base_id=index.knowledge_base_id)


@tenant_page({"POST": "knowledge.edit"})
def index_delete(request: TenantRequest, search_index_id: UUID) -> HttpResponse:
    """Remove an index that does not answer, or stop building it."""
    index = indexes.get_index(search_index_id)
    try:
        with tenant_tx():
            rebuilding.delete_index(search_index_id=index.id)
        messages.success(request, f"Index {index.number} was removed.")
    except Problem as problem:
        messages.error(request, problem.detail)
    return redirect("knowledge:index_list", tenant_slug=request.tenant.slug, base_id=index.knowledge_base_id)
