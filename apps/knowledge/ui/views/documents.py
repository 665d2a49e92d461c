"""Pages and actions of documents: add, watch, retry, delete, and look at their chunks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django_htmx.http import HttpResponseClientRefresh

from apps.knowledge import selectors
from apps.knowledge.enums import DocumentStatus
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.bundle import is_bundle
from apps.knowledge.ingest.sniff import too_large_sentence
from apps.knowledge.models import Document, KnowledgeBase
from apps.knowledge.policies import is_unfinished, may_edit_chunks
from apps.knowledge.services import archives, documents, indexing_control
from apps.knowledge.services.describing import describe_document, tag_documents
from apps.knowledge.ui import presenting
from apps.knowledge.ui.forms import AddChunkForm, ChunkForm, DescribeForm, TextForm
from apps.knowledge.ui.views.bases import DOCUMENTS_PER_PAGE, base_context
from apps.knowledge.ui.views.originals import asked_version
from apps.knowledge.ui.views.tabs import tabs
from parley.errors import Conflict, Invalid, Problem, TooLarge
from parley.tenancy import tenant_tx
from parley.web.access import TenantRequest, tenant_page
from parley.web.forms import add_problem

CHUNKS_PER_PAGE = 50
_DETAIL = "knowledge/document_detail.html"
_MAX_VERSIONS = 50
_MAX_FILES = 100
_MAX_REASONS = 10


@tenant_page({"POST": "knowledge.edit"})
def document_add(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Add every chosen file; one that is refused does not hold up the others."""
    base = selectors.get_knowledge_base(base_id)
    uploads = request.FILES.getlist("file")
    form = DescribeForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Nothing was added. {_sentences(form)}")
        return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)
    added = sum(_add_upload(request, base, upload, form.given()) for upload in uploads[:_MAX_FILES])
    if not uploads:
        messages.error(request, "Choose at least one file.")
    if len(uploads) > _MAX_FILES:
        messages.warning(request, f"Only the first {_MAX_FILES} files were taken. Add the others now.")
    if added:
        noun = "file was" if added == 1 else "files were"
        messages.success(request, f"{added} {noun} added. Indexing has started.")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)


def _sentences(form: forms.Form) -> str:
    return " ".join(str(sentence) for errors in form.errors.values() for sentence in errors)


def _add_upload(
    request: TenantRequest, base: KnowledgeBase, upload: UploadedFile[bytes], described: dict[str, Any]
) -> int:
    """How many documents came of one chosen file."""
    name = upload.name or ""
    try:
        if (upload.size or 0) > limits.MAX_FILE_BYTES:
            raise TooLarge(too_large_sentence(upload.size or 0))
        content = upload.read()
        if is_bundle(content):
            return _add_archive(request, base, content, described)
        documents.add_document(
            knowledge_base_id=base.id, name=name, content=content, media_type=upload.content_type, **described
        )
    except Problem as problem:
        messages.error(request, f"{documents.clean_name(name)}: {problem.detail}")
        return 0
    return 1


def _add_archive(request: TenantRequest, base: KnowledgeBase, content: bytes, described: dict[str, Any]) -> int:
    added = archives.add_archive(knowledge_base_id=base.id, content=content, **described)
    for path, reason in added.skipped[:_MAX_REASONS]:
        messages.warning(request, f"{path}: {reason}")
    if (more := len(added.skipped) - _MAX_REASONS) > 0:
        messages.warning(request, f"{more} more files of the archive were left out for like reasons.")
    failed = sum(document.status == DocumentStatus.FAILED for document in added.documents)
    if failed:
        noun = "file of the archive" if failed == 1 else "files of the archive"
        messages.warning(request, f"{failed} {noun} cannot be read; the list says why.")
    return len(added.documents) - failed


@tenant_page({"POST": "knowledge.edit"})
def text_add(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Add a text that was typed or pasted."""
    base = selectors.get_knowledge_base(base_id)
    form = TextForm(request.POST)
    if form.is_valid():
        try:
            documents.add_text(knowledge_base_id=base.id, **form.values())
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "The text was added. Indexing has started.")
            return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)
    context = base_context(request, base, text_form=form)
    return render(request, "knowledge/base_detail.html", context, status=422)


@tenant_page("knowledge.view")
def document_progress(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """The lines of the documents named in `?ids=`, to be swapped in; asks again while one is at work."""
    base = selectors.get_knowledge_base(base_id)
    asked = _uuids(request.GET.get("ids", ""))
    rows = presenting.document_rows(selectors.list_documents(knowledge_base_id=base.id).filter(id__in=asked))
    context = {
        "base": base,
        "rows": rows,
        "unfinished": [row.document.id for row in rows if row.is_unfinished],
    }
    return render(request, "knowledge/_document_progress.html", context)


def _uuids(text: str) -> list[UUID]:
    found: list[UUID] = []
    for part in text.split(",")[:DOCUMENTS_PER_PAGE]:
        try:
            found.append(UUID(part))
        except ValueError:
            continue
    return found


@tenant_page({"POST": "knowledge.edit"})
def failed_retry(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Retry every failed document of a base."""
    base = selectors.get_knowledge_base(base_id)
    count = documents.retry_failed_documents(knowledge_base_id=base.id)
    noun = "document is" if count == 1 else "documents are"
    messages.success(request, f"{count} {noun} being indexed again.")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)


@tenant_page({"POST": "knowledge.edit"})
def indexing_pause(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Let every document of a base wait."""
    base = indexing_control.pause_indexing(knowledge_base_id=base_id)
    messages.success(request, "Indexing is paused. What is indexed already stays found.")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)


@tenant_page({"POST": "knowledge.edit"})
def indexing_resume(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Let the documents of a base be indexed again."""
    base = indexing_control.resume_indexing(knowledge_base_id=base_id)
    messages.success(request, "Indexing goes on.")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=base.id)


@tenant_page("knowledge.view")
def document_detail(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """A document: its file beside its chunks, exactly as they are found and cited. `?version=` shows an older one."""
    document = selectors.get_document(document_id)
    unfinished = is_unfinished(document)
    if request.htmx and not unfinished:
        return HttpResponseClientRefresh()
    if request.htmx:
        return render(request, f"{_DETAIL}#state", _state(document))
    return render(request, _DETAIL, _detail(request, document))


@tenant_page({"POST": "knowledge.edit"})
def document_describe(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Other access tags or metadata for a document; the next search counts with them."""
    document = selectors.get_document(document_id)
    form = DescribeForm(request.POST)
    if form.is_valid():
        try:
            describe_document(document_id=document.id, **form.cleaned_data)
        except Problem as problem:
            add_problem(form, problem)
        else:
            messages.success(request, "Saved. It counts from the next question on.")
            return redirect("knowledge:document_detail", tenant_slug=request.tenant.slug, document_id=document.id)
    return render(request, _DETAIL, _detail(request, document, form), status=422)


@tenant_page({"POST": "knowledge.edit"})
def document_tags(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Give the documents chosen in the list access tags, or take some from them (`intent=remove`)."""
    base = selectors.get_knowledge_base(base_id)
    chosen = _uuids(",".join(request.POST.getlist("document")))
    tags = request.POST.get("access_tags", "").split(",")
    change = {"remove": tags} if request.POST.get("intent") == "remove" else {"add": tags}
    try:
        if not chosen:
            raise Invalid("Choose at least one document.")
        with tenant_tx():
            count = tag_documents(knowledge_base_id=base.id, document_ids=chosen, **change)
    except Problem as problem:
        messages.error(request, problem.detail)
    else:
        noun = "document" if count == 1 else "documents"
        messages.success(
            request, f"The access tags of {count} {noun} were changed. It counts from the next question on."
        )
    number = request.POST.get("page", "")
    address = reverse("knowledge:base_detail", kwargs={"tenant_slug": request.tenant.slug, "base_id": base.id})
    return redirect(f"{address}?page={number}" if number.isdecimal() and number != "1" else address)


def _detail(request: TenantRequest, document: Document, describe_form: DescribeForm | None = None) -> dict[str, Any]:
    """What the page of a document needs; `describe_form` carries a refused one back."""
    described = {"access_tags": document.access_tags, "metadata": document.metadata}
    versions = list(selectors.list_versions(document_id=document.id)[:_MAX_VERSIONS])
    number = asked_version(request) or document.version_number
    version = next((row for row in versions if row.number == number), versions[0])
    is_latest = version.number == document.version_number
    if is_latest:
        chunks = selectors.list_chunks(document_id=document.id)
    else:
        chunks = selectors.list_chunks_of_version(document_version_id=version.id)
    page = Paginator(chunks, CHUNKS_PER_PAGE).get_page(_page_number(request, document.id))
    rows = [presenting.chunk_row(chunk) for chunk in page]
    chosen = next((row for row in rows if str(row.chunk.id) == request.GET.get("chunk")), rows[0] if rows else None)
    asked_sheet = request.GET.get("sheet") or str(chosen.sheet or 1 if chosen else 1)
    return _state(document) | {
        "describe_form": describe_form or DescribeForm(initial=described),
        "metadata": presenting.metadata_rows(document.metadata),
        "page": page,
        "rows": rows,
        "versions": versions,
        "version": version,
        "is_latest": is_latest,
        "may_edit": is_latest and may_edit_chunks(document) and request.actor.can("knowledge.edit"),
        "original": presenting.original_panel(document, version, presenting.sheet_of(asked_sheet, document.page_count)),
        "add_form": AddChunkForm(),
        "editing": _edit_form(request, rows),
    }


def _state(document: Document) -> dict[str, Any]:
    (row,) = presenting.document_rows([document])
    return {
        "document": document,
        "row": row,
        "steps": presenting.document_steps(document),
        "is_unfinished": is_unfinished(document),
    }


def _edit_form(request: TenantRequest, rows: list[presenting.ChunkRow]) -> dict[str, Any] | None:
    """The form of the chunk in `?edit=`, for those without script."""
    row = next((row for row in rows if str(row.chunk.id) == request.GET.get("edit")), None)
    if row is None:
        return None
    return {"row": row, "form": ChunkForm(initial={"text": row.chunk.text}, prefix=f"chunk-{row.chunk.id}")}


def _page_number(request: TenantRequest, document_id: UUID) -> str | int | None:
    """`?page=`, or the page on which the chunk of a `?chunk=` link stands."""
    (chunk_id,) = _uuids(request.GET.get("chunk", ""))[:1] or (None,)
    if chunk_id is None:
        return request.GET.get("page")
    ordinal = selectors.find_ordinal(document_id=document_id, chunk_id=chunk_id)
    return 1 if ordinal is None else ordinal // CHUNKS_PER_PAGE + 1


@tenant_page({"POST": "knowledge.edit"})
def document_retry(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Index a document again."""
    try:
        document = documents.retry_document(document_id=document_id)
    except Problem as problem:
        messages.error(request, problem.detail)
        document = selectors.get_document(document_id)
    else:
        messages.success(request, f"“{document.name}” is being indexed again.")
    return _back(request, document)


@tenant_page({"POST": "knowledge.edit"})
def document_cancel(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Stop indexing a document."""
    try:
        document = indexing_control.cancel_indexing(document_id=document_id)
    except Problem as problem:
        messages.error(request, problem.detail)
        document = selectors.get_document(document_id)
    else:
        messages.success(request, f"Indexing “{document.name}” was cancelled.")
    return _back(request, document)


def _back(request: TenantRequest, document: Document) -> HttpResponse:
    """To the page that the button was on."""
    if request.POST.get("next") == "document":
        return redirect("knowledge:document_detail", tenant_slug=request.tenant.slug, document_id=document.id)
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=document.knowledge_base_id)


@tenant_page({"POST": "knowledge.edit"})
def document_delete(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Delete a document; it is not found any more from this moment."""
    document = selectors.get_document(document_id)
    documents.delete_document(document_id=document.id)
    days = documents.erase_after().days
    until = f" It can be restored for {days} days." if days else ""
    messages.success(request, f"“{document.name}” was deleted.{until}")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=document.knowledge_base_id)


@tenant_page({"GET": "knowledge.view"})
def deleted_list(request: TenantRequest, base_id: UUID) -> HttpResponse:
    """Deleted documents that can still be restored."""
    base = selectors.get_knowledge_base(base_id)
    found = selectors.list_deleted_documents(knowledge_base_id=base.id)
    page: Any = Paginator(found, DOCUMENTS_PER_PAGE).get_page(request.GET.get("page"))
    rows = [presenting.deleted_row(document) for document in page]
    context = {
        "base": base,
        "page": page,
        "rows": rows,
        "days": documents.erase_after().days,
        "tabs": tabs(request, base.id, "deleted"),
    }
    return render(request, "knowledge/deleted_list.html", context)


@tenant_page({"POST": "knowledge.edit"})
def document_restore(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """Bring a deleted document back."""
    try:
        document = documents.restore_document(document_id=document_id)
    except Conflict as problem:
        messages.error(request, problem.detail)
        base_id = selectors.get_deleted_document(document_id).knowledge_base_id
        return redirect("knowledge:deleted_list", tenant_slug=request.tenant.slug, base_id=base_id)
    messages.success(request, f"“{document.name}” was restored and is being indexed.")
    return redirect("knowledge:base_detail", tenant_slug=request.tenant.slug, base_id=document.knowledge_base_id)
