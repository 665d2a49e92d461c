"""JSON views of the chunks and versions of a document: validate, one call, render."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors
from apps.knowledge.api import bodies
from apps.knowledge.services import chunks
from parley.errors import Invalid
from parley.web.api import TenantAPIView, paginate, parse_body
from parley.web.downloads import attachment

_VERSION = OpenApiParameter("version", int, description="The number of a version; the latest one when left out.")
_MAX_VERSION = 2**31 - 1


class ChunkList(TenantAPIView):
    """The chunks of a document in reading order. POST adds one after the last."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(
        parameters=[
            OpenApiParameter("version", int, description="The chunks that an older version had; now when left out.")
        ],
        responses=bodies.ChunkBody(many=True),
    )
    def get(self, request: Request, document_id: UUID) -> Response:
        document = selectors.get_document(document_id)
        number = _version_number(request)
        if number is None:
            found = selectors.list_chunks(document_id=document.id)
        else:
            version = selectors.get_version(document_id=document.id, number=number)
            found = selectors.list_chunks_of_version(document_version_id=version.id)
        return paginate(request, found, bodies.chunk_body, ordering="ordinal")

    @extend_schema(request=bodies.NewChunk, responses={201: bodies.ChunkBody})
    def post(self, request: Request, document_id: UUID) -> Response:
        document = selectors.get_document(document_id)
        chunk = chunks.add_chunk(document_id=document.id, **parse_body(bodies.NewChunk, request))
        return Response(bodies.chunk_body(chunk), status=status.HTTP_201_CREATED)


class ChunkDetail(TenantAPIView):
    """One chunk, current or replaced. PATCH edits it, turns it off or on; DELETE removes one added by hand."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(responses=bodies.ChunkBody)
    def get(self, request: Request, chunk_id: UUID) -> Response:
        return Response(bodies.chunk_body(selectors.get_chunk(chunk_id)))

    @extend_schema(request=bodies.ChunkChange, responses=bodies.ChunkBody)
    def patch(self, request: Request, chunk_id: UUID) -> Response:
        chunk = selectors.get_chunk(chunk_id)
        changes = parse_body(bodies.ChunkChange, request)
        if "text" in changes:
            chunk = chunks.edit_chunk(chunk_id=chunk.id, text=changes["text"])
        if "is_enabled" in changes:
            switch = chunks.enable_chunk if changes["is_enabled"] else chunks.disable_chunk
            chunk = switch(chunk_id=chunk.id)
        return Response(bodies.chunk_body(chunk))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, chunk_id: UUID) -> Response:
        chunks.remove_chunk(chunk_id=chunk_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ChunkRestore(TenantAPIView):
    """Put the words of the file back in an edited chunk's place."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses=bodies.ChunkBody)
    def post(self, request: Request, chunk_id: UUID) -> Response:
        return Response(bodies.chunk_body(chunks.restore_chunk(chunk_id=chunk_id)))


class VersionList(TenantAPIView):
    """The versions of a document, newest first."""

    access = {"GET": "knowledge.view"}

    @extend_schema(operation_id="document_version_list", responses=bodies.VersionBody(many=True))
    def get(self, request: Request, document_id: UUID) -> Response:
        document = selectors.get_document(document_id)
        return paginate(request, selectors.list_versions(document_id=document.id), bodies.version_body)


class DocumentOriginal(TenantAPIView):
    """The file of a document as it was uploaded, of its latest version or of `?version=`."""

    access = {"GET": "knowledge.view"}

    @extend_schema(parameters=[_VERSION], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, document_id: UUID) -> HttpResponse:
        document = selectors.get_document(document_id)
        number = _version_number(request) or document.version_number
        version, content = selectors.get_original(document_id=document.id, number=number)
        return attachment(content, version.name)


def _version_number(request: Request) -> int | None:
    """The number in `?version=`. Raises `Invalid`."""
    asked = request.query_params.get("version")
    if asked is None:
        return None
    if not asked.isdecimal() or int(asked) > _MAX_VERSION:
        sentence = "A version is a number, counted from 1."
        raise Invalid(sentence, errors={"version": [sentence]})
    return int(asked)
