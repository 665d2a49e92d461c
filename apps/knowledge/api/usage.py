"""JSON view of how much knowledge an organisation keeps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge.usage import knowledge_usage
from parley.web.api import TenantAPIView


class UsageBody(serializers.Serializer[Any]):
    """Totals and limits; a limit is null where there is none."""

    documents = serializers.IntegerField()
    bytes = serializers.IntegerField()
    chunks = serializers.IntegerField()
    tokens = serializers.IntegerField()
    max_documents = serializers.IntegerField(allow_null=True)
    max_bytes = serializers.IntegerField(allow_null=True)


class KnowledgeUsageDetail(TenantAPIView):
    """How much knowledge the organisation keeps, and how much it may."""

    access = {"GET": "knowledge.view"}

    @extend_schema(responses=UsageBody)
    def get(self, request: Request) -> Response:
        return Response(asdict(knowledge_usage()))
