"""JSON views of the indexes of a knowledge base."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import indexes, selectors
from apps.knowledge.enums import IndexState
from apps.knowledge.ingest import limits
from apps.knowledge.services import rebuilding
from parley.tenancy import tenant_tx
from parley.web.api import TenantAPIView, parse_body


class NewIndex(serializers.Serializer[Any]):
    """Another cut of all documents, built beside the present one."""

    chunk_tokens = serializers.IntegerField(min_value=limits.MIN_CHUNK_TOKENS, max_value=limits.CHUNK_TOKENS)
    embedding_model_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="Left out, the embedding model stays."
    )


class IndexBody(serializers.Serializer[Any]):
    """An index; the active one answers searches."""

    id = serializers.UUIDField()
    number = serializers.IntegerField()
    state = serializers.ChoiceField(IndexState.choices)
    error = serializers.CharField()
    chunk_tokens = serializers.IntegerField()
    embedding_model = serializers.CharField()
    embedding_model_id = serializers.UUIDField(allow_null=True)
    dimensions = serializers.IntegerField()
    document_count = serializers.IntegerField()
    chunk_count = serializers.IntegerField()
    token_count = serializers.IntegerField()
    activated_at = serializers.DateTimeField(allow_null=True)


class IndexesBody(serializers.Serializer[Any]):
    """The indexes of a base, newest first."""

    results = IndexBody(many=True)


def index_body(index: Any) -> dict[str, Any]:
    """An index with its totals as shown."""
    return {
        "id": index.id,
        "number": index.number,
        "state": index.state,
        "error": index.error,
        "chunk_tokens": index.chunk_tokens,
        "embedding_model": index.embedding_model,
        "embedding_model_id": index.embedding_model_id,
        "dimensions": index.dimensions,
        "document_count": index.document_count,
        "chunk_count": index.chunk_total,
        "token_count": index.token_total,
        "activated_at": index.activated_at,
    }


class IndexList(TenantAPIView):
    """The indexes of a knowledge base."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(responses=IndexesBody)
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        found = indexes.list_indexes(knowledge_base_id=base.id)
        return Response({"results": [index_body(index) for index in found]})

    @extend_schema(request=NewIndex, responses={202: IndexBody})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        with tenant_tx():
            base = selectors.get_knowledge_base(knowledge_base_id)
            built = rebuilding.start_rebuild(knowledge_base_id=base.id, **parse_body(NewIndex, request))
        return Response(_shown(built.knowledge_base_id, built.id), status=status.HTTP_202_ACCEPTED)


class IndexDetail(TenantAPIView):
    """One index that is not active: removed, or stopped while it is being built."""

    access = {"DELETE": "knowledge.edit"}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, search_index_id: UUID) -> Response:
        with tenant_tx():
            rebuilding.delete_index(search_index_id=search_index_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class IndexReturn(TenantAPIView):
    """The way back to an index that was active before."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses={202: IndexBody})
    def post(self, request: Request, search_index_id: UUID) -> Response:
        with tenant_tx():
            index = rebuilding.return_to(search_index_id=search_index_id)
        return Response(_shown(index.knowledge_base_id, index.id), status=status.HTTP_202_ACCEPTED)


def _shown(knowledge_base_id: UUID, search_index_id: UUID) -> dict[str, Any]:
    return index_body(indexes.list_indexes(knowledge_base_id=knowledge_base_id).get(id=search_index_id))
