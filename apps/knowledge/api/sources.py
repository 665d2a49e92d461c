"""JSON views of sources and their syncs: validate, one call, render."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors
from apps.knowledge.api.bodies import MetadataField
from apps.knowledge.models import Source, SourceRun
from apps.knowledge.models.document import MAX_TAG_CHARS
from apps.knowledge.services import sources
from apps.knowledge.services.external import MAX_TAGS
from apps.knowledge.services.source_settings import MAX_DELAY_SECONDS, MAX_DEPTH, MAX_PAGES, SourceSettings
from apps.knowledge.source_enums import SourceKind, SourceSchedule
from parley.web.api import TenantAPIView, paginate, parse_body

_COUNTS = ("new", "changed", "unchanged", "gone", "failed", "skipped")
_SHOWN = (
    "address",
    "kind",
    "max_depth",
    "max_pages",
    "include",
    "exclude",
    "obeys_robots",
    "delay_seconds",
    "schedule",
    "metadata",
    "access_tags",
    "next_run_at",
    "created_at",
    "updated_at",
)


class SourceChange(serializers.Serializer[Any]):
    """A change of a source; what is left out stays. Patterns are globs, or regular expressions after `re:`."""

    address = serializers.CharField(max_length=2000, required=False)
    kind = serializers.ChoiceField(choices=SourceKind.choices, required=False)
    max_depth = serializers.IntegerField(min_value=0, max_value=MAX_DEPTH, required=False)
    max_pages = serializers.IntegerField(min_value=1, max_value=MAX_PAGES, required=False)
    include = serializers.ListField(child=serializers.CharField(max_length=300), max_length=50, required=False)
    exclude = serializers.ListField(child=serializers.CharField(max_length=300), max_length=50, required=False)
    obeys_robots = serializers.BooleanField(required=False)
    delay_seconds = serializers.FloatField(min_value=0, max_value=MAX_DELAY_SECONDS, required=False)
    schedule = serializers.ChoiceField(choices=SourceSchedule.choices, required=False)
    metadata = MetadataField(required=False)
    access_tags = serializers.ListField(
        child=serializers.CharField(max_length=MAX_TAG_CHARS),
        required=False,
        max_length=MAX_TAGS,
        help_text="What its pages begin with. A change counts for its pages at once.",
    )


class NewSource(SourceChange):
    """A new source; unset fields take good defaults."""

    address = serializers.CharField(max_length=2000)


class NewRun(serializers.Serializer[Any]):
    """A sync; with `accepts_losses` pages that are gone are deleted however many they are."""

    accepts_losses = serializers.BooleanField(required=False, default=False)


class RunBody(serializers.Serializer[Any]):
    """A sync as shown: an entry of the log. `summary` is its diff as a sentence."""

    id = serializers.UUIDField()
    source_id = serializers.UUIDField()
    trigger = serializers.CharField()
    state = serializers.CharField()
    summary = serializers.CharField()
    message = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField())
    problems = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class SourceBody(serializers.Serializer[Any]):
    """A source as shown, with its latest sync."""

    id = serializers.UUIDField()
    knowledge_base_id = serializers.UUIDField()
    address = serializers.CharField()
    kind = serializers.CharField()
    max_depth = serializers.IntegerField()
    max_pages = serializers.IntegerField()
    include = serializers.ListField(child=serializers.CharField())
    exclude = serializers.ListField(child=serializers.CharField())
    obeys_robots = serializers.BooleanField()
    delay_seconds = serializers.FloatField()
    schedule = serializers.CharField()
    metadata = serializers.DictField()
    access_tags = serializers.ListField(child=serializers.CharField())
    next_run_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    last_run = RunBody(allow_null=True)


def run_body(run: SourceRun) -> dict[str, Any]:
    """A sync with its counts."""
    return {
        "id": str(run.id),
        "source_id": str(run.source_id),
        "trigger": str(run.trigger),
        "state": str(run.state),
        "summary": selectors.tell_run(run),
        "message": run.message,
        "counts": {name: getattr(run, f"{name}_count") for name in _COUNTS},
        "problems": run.problems,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def source_body(source: Source) -> dict[str, Any]:
    """A source with its latest sync."""
    last = selectors.find_last_runs([source.id]).get(source.id)
    shown = {name: getattr(source, name) for name in _SHOWN}
    return {
        **shown,
        "id": str(source.id),
        "knowledge_base_id": str(source.knowledge_base_id),
        "last_run": last and run_body(last),
    }


class SourceList(TenantAPIView):
    """The addresses a knowledge base is filled from. POST adds one and starts its first sync."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(responses=SourceBody(many=True))
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        return paginate(request, selectors.list_sources(knowledge_base_id=base.id), source_body)

    @extend_schema(request=NewSource, responses={201: SourceBody})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        fields = parse_body(NewSource, request)
        address = fields.pop("address")
        source = sources.create_source(knowledge_base_id=base.id, address=address, settings=SourceSettings(**fields))
        return Response(source_body(source), status=status.HTTP_201_CREATED)


class SourceDetail(TenantAPIView):
    """One source. DELETE keeps its documents unless `?documents=delete` is given."""

    access = {"GET": "knowledge.view", "PATCH": "knowledge.edit", "DELETE": "knowledge.edit"}

    @extend_schema(responses=SourceBody)
    def get(self, request: Request, source_id: UUID) -> Response:
        return Response(source_body(selectors.get_source(source_id)))

    @extend_schema(request=SourceChange, responses=SourceBody)
    def patch(self, request: Request, source_id: UUID) -> Response:
        selectors.get_source(source_id)
        source = sources.update_source(source_id=source_id, **parse_body(SourceChange, request))
        return Response(source_body(source))

    @extend_schema(
        parameters=[OpenApiParameter("documents", str, enum=["keep", "delete"], description="What becomes of them.")],
        responses={204: None},
    )
    def delete(self, request: Request, source_id: UUID) -> Response:
        with_documents = request.query_params.get("documents") == "delete"
        sources.delete_source(source_id=source_id, with_documents=with_documents)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SourceRunList(TenantAPIView):
    """The sync log of a source. POST starts a sync."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(responses=RunBody(many=True))
    def get(self, request: Request, source_id: UUID) -> Response:
        source = selectors.get_source(source_id)
        return paginate(request, selectors.list_source_runs(source_id=source.id), run_body)

    @extend_schema(request=NewRun, responses={202: RunBody})
    def post(self, request: Request, source_id: UUID) -> Response:
        source = selectors.get_source(source_id)
        run = sources.start_run(source_id=source.id, **parse_body(NewRun, request))
        return Response(run_body(run), status=status.HTTP_202_ACCEPTED)


class SourceCancel(TenantAPIView):
    """Stop the sync that is running; what it took in stays. Harmless when none is."""

    access = {"POST": "knowledge.edit"}

    @extend_schema(request=None, responses=SourceBody)
    def post(self, request: Request, source_id: UUID) -> Response:
        sources.cancel_run(source_id=source_id)
        return Response(source_body(selectors.get_source(source_id)))
