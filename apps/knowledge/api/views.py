"""JSON views of knowledge bases, documents and search: validate, one call, render."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors
from apps.knowledge.api import bodies
from apps.knowledge.ingest import limits
from apps.knowledge.ingest.bundle import is_bundle
from apps.knowledge.ingest.sniff import too_large_sentence
from apps.knowledge.models import Document
from apps.knowledge.services import (
    archives,
    bulk,
    documents,
    indexing_control,
    knowledge_bases,
    page_adding,
    retrieval_settings,
)
from apps.knowledge.services.audiences import checked_audience
from apps.knowledge.services.describing import describe_document
from parley.errors import Invalid, NotFound, TooLarge
from parley.tenancy import tenant_tx
from parley.web.api import TenantAPIView, paginate, parse_body

_NAMED_BY_ADDRESS = "A page is named by its address. Leave “external_id” out."
_ONE_BY_ONE = "A ZIP archive becomes many documents, so it takes no external id. Send its files one by one."


class KnowledgeBaseList(TenantAPIView):
    """The knowledge bases of the organisation."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(responses=bodies.KnowledgeBaseBody(many=True))
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_knowledge_bases(), bodies.knowledge_base_body)

    @extend_schema(request=bodies.NewKnowledgeBase, responses={201: bodies.KnowledgeBaseBody})
    def post(self, request: Request) -> Response:
        base = knowledge_bases.create_knowledge_base(**parse_body(bodies.NewKnowledgeBase, request))
        return Response(bodies.knowledge_base_body(base), status=status.HTTP_201_CREATED)


class KnowledgeBaseDetail(TenantAPIView):
    """One knowledge base."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(responses=bodies.KnowledgeBaseBody)
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        return Response(bodies.knowledge_base_body(selectors.get_knowledge_base(knowledge_base_id)))

    @extend_schema(request=bodies.KnowledgeBaseChange, responses=bodies.KnowledgeBaseBody)
    def patch(self, request: Request, knowledge_base_id: UUID) -> Response:
        changes = parse_body(bodies.KnowledgeBaseChange, request)
        base = knowledge_bases.update_knowledge_base(knowledge_base_id=knowledge_base_id, **changes)
        return Response(bodies.knowledge_base_body(base))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, knowledge_base_id: UUID) -> Response:
        knowledge_bases.delete_knowledge_base(knowledge_base_id=knowledge_base_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class KnowledgeBaseRetrieval(TenantAPIView):
    """How a knowledge base is searched."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit"}

    @extend_schema(responses=bodies.RetrievalSettingsBody)
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        return Response(asdict(selectors.get_retrieval_settings(knowledge_base_id)))

    @extend_schema(request=bodies.RetrievalSettingsChange, responses=bodies.RetrievalSettingsBody)
    def patch(self, request: Request, knowledge_base_id: UUID) -> Response:
        changes = parse_body(bodies.RetrievalSettingsChange, request)
        after = retrieval_settings.update_retrieval_settings(knowledge_base_id=knowledge_base_id, changes=changes)
        return Response(asdict(after))


class DocumentList(TenantAPIView):
    """The documents of a knowledge base. POST adds one; it is indexed in the background.

    A ZIP archive becomes one document per file inside; those that cannot be read failed, each with its reason.

    With an `external_id`, POST replaces the document that was sent by that name, and GET finds it.
    """

    access = {"GET": "knowledge.view", "POST": "knowledge.edit", "DELETE": "knowledge.edit"}
    # A page is fetched meanwhile.
    holds_transaction = False

    @extend_schema(
        parameters=[OpenApiParameter("external_id", str, description="Only the document that was sent by this name.")],
        responses=bodies.DocumentBody(many=True),
    )
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        external_id = request.query_params.get("external_id", "")
        with tenant_tx():
            base = selectors.get_knowledge_base(knowledge_base_id)
            found = selectors.list_documents(knowledge_base_id=base.id, external_id=external_id)
            return paginate(request, found, bodies.document_body)

    @extend_schema(request=bodies.NewDocument, responses={201: bodies.DocumentOrArchive})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        fields = parse_body(bodies.NewDocument, request)
        added: Document | archives.AddedArchive
        if "url" in fields:
            added = self._add_page(fields, knowledge_base_id)
        else:
            with tenant_tx():
                added = self._add(fields, selectors.get_knowledge_base(knowledge_base_id).id)
        body = bodies.document_body(added) if isinstance(added, Document) else bodies.archive_body(added)
        return Response(body, status=status.HTTP_201_CREATED)

    @extend_schema(
        parameters=[OpenApiParameter("external_id", str, required=True, description="The document to delete.")],
        responses={204: None},
    )
    def delete(self, request: Request, knowledge_base_id: UUID) -> Response:
        external_id = request.query_params.get("external_id", "")
        with tenant_tx():
            base = selectors.get_knowledge_base(knowledge_base_id)
            if not external_id:
                sentence = "Name the document to delete: ?external_id=…"
                raise Invalid(sentence, errors={"external_id": [sentence]})
            result = bulk.delete_by_external_id(knowledge_base_id=base.id, external_id=external_id)
            if result.outcome == "missing":
                raise NotFound("There is no document of this external id.")
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _add_page(self, fields: dict[str, Any], knowledge_base_id: UUID) -> Document:
        if "external_id" in fields:
            raise Invalid(_NAMED_BY_ADDRESS, errors={"external_id": [_NAMED_BY_ADDRESS]})
        return page_adding.add_page(knowledge_base_id=knowledge_base_id, address=fields["url"], **_described(fields))

    def _add(self, fields: dict[str, Any], knowledge_base_id: UUID) -> Document | archives.AddedArchive:
        named = {key: fields[key] for key in ("external_id", "metadata", "access_tags") if key in fields}
        upload = fields.get("file")
        if upload is None and not {"title", "text"} <= fields.keys():
            raise Invalid("Send a “file” (multipart), or a “title” and a “text” (JSON).")
        if upload is None:
            return documents.add_text(
                knowledge_base_id=knowledge_base_id, title=fields["title"], text=fields["text"], **named
            )
        if upload.size > limits.MAX_FILE_BYTES:
            raise TooLarge(too_large_sentence(upload.size))
        content = upload.read()
        if is_bundle(content):
            if "external_id" in fields:
                raise Invalid(_ONE_BY_ONE, errors={"external_id": [_ONE_BY_ONE]})
            return archives.add_archive(knowledge_base_id=knowledge_base_id, content=content, **named)
        return documents.add_document(
            knowledge_base_id=knowledge_base_id,
            name=upload.name,
            content=content,
            media_type=upload.content_type,
            title=fields.get("title", ""),
            **named,
        )


def _described(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields.get(name) for name in ("metadata", "access_tags")}


class KnowledgeBaseSearch(TenantAPIView):
    """The passages that fit a question, as an assistant with these access tags and this filter would get them."""

    access = {"POST": "knowledge.view"}
    # The question is embedded first; no transaction is held open meanwhile.
    holds_transaction = False

    @extend_schema(request=bodies.SearchQuestion, responses=bodies.SearchAnswer)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        with tenant_tx():
            base = selectors.get_knowledge_base(knowledge_base_id)
        question = parse_body(bodies.SearchQuestion, request)
        audience = checked_audience(question.pop("access_tags", ()), question.pop("filter", None))
        if audience.access_tags:
            self.actor.require("knowledge.edit")
        outcome = selectors.look_up(knowledge_base_ids=[base.id], audience=audience, **question)
        passages = [bodies.passage_body(passage) for passage in outcome.passages]
        return Response({"passages": passages, "by_words_alone": outcome.by_words_alone})


class DocumentDetail(TenantAPIView):
    """One document and how far its indexing is. PATCH changes its metadata and who may be answered from it."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(responses=bodies.DocumentStateBody)
    def get(self, request: Request, document_id: UUID) -> Response:
        return Response(bodies.document_state_body(selectors.get_document(document_id)))

    @extend_schema(request=bodies.DocumentChange, responses=bodies.DocumentBody)
    def patch(self, request: Request, document_id: UUID) -> Response:
        selectors.get_document(document_id)
        changes = parse_body(bodies.DocumentChange, request)
        return Response(bodies.document_body(describe_document(document_id=document_id, **changes)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, document_id: UUID) -> Response:
        documents.delete_document(document_id=document_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DocumentRetry(TenantAPIView):
    """Index a failed document once more, or an indexed one anew."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses={202: bodies.DocumentBody})
    def post(self, request: Request, document_id: UUID) -> Response:
        document = documents.retry_document(document_id=document_id)
        return Response(bodies.document_body(document), status=status.HTTP_202_ACCEPTED)


class DocumentCancel(TenantAPIView):
    """Stop indexing a document. It ends as failed; what could be found of it before is still found."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses=bodies.DocumentBody)
    def post(self, request: Request, document_id: UUID) -> Response:
        return Response(bodies.document_body(indexing_control.cancel_indexing(document_id=document_id)))


class IndexingPause(TenantAPIView):
    """Let the documents of a knowledge base wait, also those to come. Harmless when they wait already."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses=bodies.KnowledgeBaseBody)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = indexing_control.pause_indexing(knowledge_base_id=knowledge_base_id)
        return Response(bodies.knowledge_base_body(base))


class IndexingResume(TenantAPIView):
    """Let the documents of a knowledge base be indexed again. Harmless when none wait."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses=bodies.KnowledgeBaseBody)
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = indexing_control.resume_indexing(knowledge_base_id=knowledge_base_id)
        return Response(bodies.knowledge_base_body(base))
