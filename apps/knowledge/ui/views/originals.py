"""The uploaded file beside its chunks: pictures of its pages, its text, or a download."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render

from apps.knowledge import selectors
from apps.knowledge.ingest.blocks import Unreadable
from apps.knowledge.services import originals
from apps.knowledge.ui import presenting
from parley.db.threads import in_thread
from parley.web.access import TenantRequest, tenant_page
from parley.web.downloads import attachment

_MAX_VERSION = 2**31 - 1


@tenant_page({"GET": "knowledge.view"})
def original_detail(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """The panel with one page of the file; without htmx the document's page at it."""
    document = selectors.get_document(document_id)
    version = selectors.get_version(document_id=document.id, number=asked_version(request) or document.version_number)
    sheet = presenting.sheet_of(request.GET.get("sheet", ""), document.page_count)
    if not request.htmx:
        address = redirect("knowledge:document_detail", tenant_slug=request.tenant.slug, document_id=document.id)
        address["Location"] += f"?sheet={sheet}#original"
        return address
    context = {"document": document, "original": presenting.original_panel(document, version, sheet)}
    return render(request, "knowledge/_original.html", context)


@tenant_page({"GET": "knowledge.view"}, streaming=True)
async def page_picture(request: TenantRequest, document_id: UUID, number: int) -> HttpResponse:
    """A JPEG of one page. Asked again, only whether it may still be shown is looked up."""
    version = asked_version(request) or 1
    picture = await in_thread(originals.page_picture, document_id=document_id, version_number=version, page=number)
    etag = f'"{document_id.hex}-{version}-{number}"'
    response = HttpResponse(picture, content_type="image/jpeg")
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@tenant_page({"GET": "knowledge.view"}, streaming=True)
async def original_text(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """The text of the file as it is read, block by block; a fragment."""
    version = asked_version(request) or 1
    context: dict[str, object]
    try:
        blocks, is_all = await in_thread(originals.original_text, document_id=document_id, version_number=version)
        context = {"blocks": blocks, "is_all": is_all}
    except Unreadable as problem:
        context = {"problem": problem.sentence}
    return render(request, "knowledge/_original_text.html", context)


@tenant_page({"GET": "knowledge.view"})
def original_file(request: TenantRequest, document_id: UUID) -> HttpResponse:
    """The file as it was uploaded, to be saved."""
    document = selectors.get_document(document_id)
    number = asked_version(request) or document.version_number
    version, content = selectors.get_original(document_id=document.id, number=number)
    return attachment(content, version.name)


def asked_version(request: TenantRequest) -> int | None:
    """The number in `?version=`, if it is one."""
    asked = request.GET.get("version", "")
    return int(asked) if asked.isdecimal() and 0 < int(asked) <= _MAX_VERSION else None
