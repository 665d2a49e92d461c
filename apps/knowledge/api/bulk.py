"""JSON views for other systems: many documents in one request, and those that were deleted."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors
from apps.knowledge.api import bodies
from apps.knowledge.services import bulk, documents
from parley.web.api import TenantAPIView, paginate, parse_body


class DocumentBulk(TenantAPIView):
    """Add, replace and delete many texts by their external ids. Items are carried out one by one."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=bodies.BulkChange, responses=bodies.BulkAnswer)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        changes = parse_body(bodies.BulkChange, request)
        results = bulk.change_documents(knowledge_base_id=knowledge_base_id, **changes)
        return Response({"results": [bodies.bulk_item_body(item) for item in results]})


class DeletedDocumentList(TenantAPIView):
    """The documents of a knowledge base that were deleted and can still be restored."""

    access = {"GET": "knowledge.view"}

    @extend_schema(responses=bodies.DeletedDocumentBody(many=True))
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        found = selectors.list_deleted_documents(knowledge_base_id=base.id)
        return paginate(request, found, bodies.deleted_document_body)


class DocumentRestore(TenantAPIView):
    """Bring a deleted document back; it is indexed anew."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses={202: bodies.DocumentBody})
    def post(self, request: Request, document_id: UUID) -> Response:
        document = documents.restore_document(document_id=document_id)
        return Response(bodies.document_body(document), status=status.HTTP_202_ACCEPTED)
