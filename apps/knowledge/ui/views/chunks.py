"""Actions on the chunks of a document, in place with htmx and by whole pages without it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.knowledge import selectors
from apps.knowledge.models import Chunk
from apps.knowledge.services import chunks
from apps.knowledge.ui import presenting
from apps.knowledge.ui.forms import AddChunkForm, ChunkForm
from parley.errors import Problem
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem


@tenant_page({"GET": "knowledge.view"})
def chunk_detail(request: TenantRequest, chunk_id: UUID) -> HttpResponse:
    """One chunk as its document shows it; without htmx the document, at this chunk."""
    return _shown(request, selectors.get_chunk(chunk_id))


@tenant_page("knowledge.edit")
def chunk_edit(request: TenantRequest, chunk_id: UUID) -> HttpResponse:
    """The form in the chunk's place, and what it sends."""
    chunk = selectors.get_chunk(chunk_id)
    if request.method != "POST" and not request.htmx:
        return redirect(f"{_document_url(request, chunk)}?chunk={chunk.id}&edit={chunk.id}#chunk-{chunk.id}")
    form = ChunkForm(request.POST or None, initial={"text": chunk.text}, prefix=f"chunk-{chunk.id}")
    if request.method == "POST" and form.is_valid():
        try:
            edited = chunks.edit_chunk(chunk_id=chunk.id, text=form.cleaned_data["text"])
        except Problem as problem:
            add_problem(form, problem)
        else:
            return _shown(request, edited)
    context = {"row": presenting.chunk_row(chunk), "form": form}
    if request.htmx:
        # 200, because htmx does not swap in what an error status brings.
        return render(request, "knowledge/_chunk_form.html", context)
    messages.error(request, " ".join(str(sentence) for errors in form.errors.values() for sentence in errors))
    return redirect(f"{_document_url(request, chunk)}?chunk={chunk.id}&edit={chunk.id}#chunk-{chunk.id}")


@tenant_page({"POST": "knowledge.edit"})
def chunk_switch(request: TenantRequest, chunk_id: UUID) -> HttpResponse:
    """Turn a chunk off, or on again with `is_enabled=1`."""
    switch = chunks.enable_chunk if request.POST.get("is_enabled") == "1" else chunks.disable_chunk
    return _carry_out(request, chunk_id, switch)


@tenant_page({"POST": "knowledge.edit"})
def chunk_restore(request: TenantRequest, chunk_id: UUID) -> HttpResponse:
    """Take the words of the file back."""
    return _carry_out(request, chunk_id, chunks.restore_chunk)


@tenant_page({"POST": "knowledge.edit"})
def chunk_remove(request: TenantRequest, chunk_id: UUID) -> HttpResponse:
    """Remove a chunk that was added by hand."""
    chunk = selectors.get_chunk(chunk_id)
    try:
        chunks.remove_chunk(chunk_id=chunk.id)
    except Problem as problem:
        return _refused(request, chunk, problem)
    if request.htmx:
        return HttpResponse("")
    messages.success(request, "The chunk was removed.")
    return redirect(_document_url(request, chunk))


@tenant_page({"POST": "knowledge.edit"})
def chunk_add(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Add a chunk after the last one."""
    document = selectors.get_document(document_id)
    form = AddChunkForm(request.POST)
    address = reverse(
        "knowledge:document_detail", kwargs={"tenant_slug": request.tenant.slug, "document_id": document.id}
    )
    if not form.is_valid():
        messages.error(request, "Nothing was added: write the words of the chunk.")
        return redirect(address)
    heading = form.cleaned_data["heading"].strip()
    try:
        chunk = chunks.add_chunk(
            document_id=document.id, text=form.cleaned_data["text"], headings=[heading] if heading else []
        )
    except Problem as problem:
        messages.error(request, problem.detail)
        return redirect(address)
    messages.success(request, "The chunk was added. It can be found now.")
    return redirect(f"{address}?chunk={chunk.id}#chunk-{chunk.id}")


def _carry_out(request: TenantRequest, chunk_id: UUID, change: Callable[..., Chunk]) -> HttpResponse:
    chunk = selectors.get_chunk(chunk_id)
    try:
        return _shown(request, change(chunk_id=chunk.id))
    except Problem as problem:
        return _refused(request, chunk, problem)


def _shown(request: TenantRequest, chunk: Chunk) -> HttpResponse:
    if request.htmx:
        return render(request, "knowledge/_chunk.html", {"row": presenting.chunk_row(chunk)})
    return redirect(f"{_document_url(request, chunk)}?chunk={chunk.id}#chunk-{chunk.id}")


def _refused(request: TenantRequest, chunk: Chunk, problem: Problem) -> HttpResponse:
    if request.htmx:
        row = presenting.chunk_row(selectors.get_chunk(chunk.id))
        return render(request, "knowledge/_chunk.html", {"row": row, "problem": problem.detail})
    messages.error(request, problem.detail)
    return redirect(_document_url(request, chunk))


def _document_url(request: TenantRequest, chunk: Chunk) -> str:
    return reverse(
        "knowledge:document_detail", kwargs={"tenant_slug": request.tenant.slug, "document_id": chunk.document_id}
    )
