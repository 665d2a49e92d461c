"""JSON views of what people asked: the history of real searches, and the gaps in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import gaps, selectors
from apps.knowledge.models import RecordedSearch
from apps.knowledge.services.searches import dismiss_searches
from parley.web.api import TenantAPIView, paginate, parse_body


class RecordedSearchBody(serializers.Serializer[Any]):
    """One search of a conversation, and what came of it."""

    id = serializers.UUIDField()
    question = serializers.CharField()
    found_count = serializers.IntegerField()
    best_relevance = serializers.FloatField(allow_null=True)
    is_refusal = serializers.BooleanField()
    conversation_id = serializers.UUIDField()
    message_id = serializers.UUIDField()
    created_at = serializers.DateTimeField()


class GapBody(serializers.Serializer[Any]):
    """One need without an answer: how often it was asked and in which ways, the most frequent first."""

    count = serializers.IntegerField()
    newest_at = serializers.DateTimeField()
    questions = serializers.ListField(child=serializers.CharField())
    search_ids = serializers.ListField(child=serializers.UUIDField())


class GapsBody(serializers.Serializer[Any]):
    """The gaps of the last 30 days, the most asked first."""

    results = GapBody(many=True)


class DismissedSearches(serializers.Serializer[Any]):
    """The questions to dismiss, by the `search_ids` of a gap."""

    search_ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=gaps.MAX_QUESTIONS)


class SearchHistory(TenantAPIView):
    """What conversations searched for in a knowledge base, newest first; kept for 90 days."""

    access = {"GET": "knowledge.view"}

    @extend_schema(responses=RecordedSearchBody(many=True))
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        return paginate(request, selectors.list_searches(knowledge_base_id=base.id), _search_body)


class GapList(TenantAPIView):
    """What people asked and got no answer to, the same needs put together."""

    access = {"GET": "knowledge.view"}

    @extend_schema(responses=GapsBody)
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        return Response({"results": [_gap_body(gap) for gap in gaps.list_gaps(knowledge_base_id=base.id)]})


class GapDismissal(TenantAPIView):
    """Take questions out of the gaps, also when they are asked again."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=DismissedSearches, responses={204: None})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        dismiss_searches(knowledge_base_id=base.id, **parse_body(DismissedSearches, request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _search_body(row: RecordedSearch) -> dict[str, Any]:
    return {
        "id": row.id,
        "question": row.question,
        "found_count": row.found_count,
        "best_relevance": row.best_relevance,
        "is_refusal": row.is_refusal,
        "conversation_id": row.conversation_id,
        "message_id": row.message_id,
        "created_at": row.created_at,
    }


def _gap_body(gap: gaps.Gap) -> dict[str, Any]:
    return {
        "count": gap.count,
        "newest_at": gap.newest_at,
        "questions": gap.questions,
        "search_ids": gap.search_ids,
    }
