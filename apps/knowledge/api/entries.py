"""JSON views of FAQ entries and curated answers: validate, one call, render."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors
from apps.knowledge.api import bodies
from apps.knowledge.enums import EntryKind
from apps.knowledge.services import entries
from parley.errors import Invalid
from parley.web.api import TenantAPIView, paginate, parse_body


class EntryList(TenantAPIView):
    """The questions and answers of a knowledge base that were typed in. POST adds one."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(
        parameters=[OpenApiParameter("kind", str, enum=EntryKind.values, description="faq when left out.")],
        responses=bodies.EntryBody(many=True),
    )
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        kind = request.query_params.get("kind", EntryKind.FAQ)
        if kind not in EntryKind.values:
            raise Invalid("A kind is faq or curated.", errors={"kind": ["A kind is faq or curated."]})
        found = selectors.list_entries(knowledge_base_id=base.id, kind=EntryKind(kind))
        return paginate(request, found, bodies.entry_body)

    @extend_schema(request=bodies.NewEntry, responses={201: bodies.EntryBody})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        fields = parse_body(bodies.NewEntry, request)
        fields["kind"] = EntryKind(fields["kind"])
        entry = entries.add_entry(knowledge_base_id=base.id, **fields)
        return Response(bodies.entry_body(entry), status=status.HTTP_201_CREATED)


class EntryImport(TenantAPIView):
    """Add the lines of a CSV file with the columns “question”, “answer” and, if any, “phrasings” apart by |."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=bodies.NewEntries, responses=bodies.EntryImportBody)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        fields = parse_body(bodies.NewEntries, request)
        kind = EntryKind(fields["kind"])
        result = entries.import_entries(knowledge_base_id=base.id, kind=kind, content=fields["file"].read())
        return Response(bodies.entry_import_body(result))


class EntryDetail(TenantAPIView):
    """One entry."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(responses=bodies.EntryBody)
    def get(self, request: Request, entry_id: UUID) -> Response:
        return Response(bodies.entry_body(selectors.get_entry(entry_id)))

    @extend_schema(request=bodies.EntryChange, responses=bodies.EntryBody)
    def patch(self, request: Request, entry_id: UUID) -> Response:
        entry = selectors.get_entry(entry_id)
        kept = {"question": entry.question, "phrasings": entry.phrasings, "answer": entry.answer}
        changes = parse_body(bodies.EntryChange, request)
        return Response(bodies.entry_body(entries.update_entry(entry_id=entry.id, **(kept | changes))))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, entry_id: UUID) -> Response:
        entries.delete_entry(entry_id=entry_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class EntryApproval(TenantAPIView):
    """The approval of a curated answer: POST gives it, DELETE takes it back."""

    access = {"POST": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(request=None, responses=bodies.EntryBody)
    def post(self, request: Request, entry_id: UUID) -> Response:
        return Response(bodies.entry_body(entries.approve_entry(entry_id=entry_id)))

    @extend_schema(responses={200: bodies.EntryBody})
    def delete(self, request: Request, entry_id: UUID) -> Response:
        return Response(bodies.entry_body(entries.withdraw_entry(entry_id=entry_id)))
