"""JSON views of snapshots."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.knowledge import selectors, snapshots
from apps.knowledge.models import Snapshot
from apps.knowledge.services.snapshots import delete_snapshot, take_snapshot
from parley.errors import Invalid
from parley.tenancy import tenant_tx
from parley.web.api import TenantAPIView, paginate, parse_body


class NewSnapshot(serializers.Serializer[Any]):
    """A snapshot of what can be found now."""

    name = serializers.CharField(max_length=120, required=False, allow_blank=True, default="")
    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class SnapshotBody(serializers.Serializer[Any]):
    """A snapshot; assistants pin it by its `id`."""

    id = serializers.UUIDField()
    knowledge_base_id = serializers.UUIDField()
    number = serializers.IntegerField()
    name = serializers.CharField()
    note = serializers.CharField()
    author = serializers.CharField()
    created_at = serializers.DateTimeField()


class DocumentChangeBody(serializers.Serializer[Any]):
    """What became of one document: texts of passages that came and went."""

    document_id = serializers.UUIDField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(["added", "changed", "removed", "deleted"])
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())


class ChangesBody(serializers.Serializer[Any]):
    """Everything that changed between a snapshot and another one, or now."""

    changes = DocumentChangeBody(many=True)


def snapshot_body(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as shown."""
    return {
        "id": snapshot.id,
        "knowledge_base_id": snapshot.knowledge_base_id,
        "number": snapshot.number,
        "name": snapshot.name,
        "note": snapshot.note,
        "author": snapshot.author_label,
        "created_at": snapshot.created_at,
    }


class SnapshotList(TenantAPIView):
    """The snapshots of a knowledge base."""

    access = {"GET": "knowledge.view", "POST": "knowledge.edit"}

    @extend_schema(responses=SnapshotBody(many=True))
    def get(self, request: Request, knowledge_base_id: UUID) -> Response:
        base = selectors.get_knowledge_base(knowledge_base_id)
        return paginate(request, snapshots.list_snapshots(knowledge_base_id=base.id), snapshot_body)

    @extend_schema(request=NewSnapshot, responses={201: SnapshotBody})
    def post(self, request: Request, knowledge_base_id: UUID) -> Response:
        values = parse_body(NewSnapshot, request)
        with tenant_tx():
            taken = take_snapshot(knowledge_base_id=knowledge_base_id, **values)
        return Response(snapshot_body(taken), status=status.HTTP_201_CREATED)


class SnapshotDetail(TenantAPIView):
    """One snapshot."""

    access = {"GET": "knowledge.view", "DELETE": "knowledge.edit"}

    @extend_schema(responses=SnapshotBody)
    def get(self, request: Request, snapshot_id: UUID) -> Response:
        return Response(snapshot_body(snapshots.get_snapshot(snapshot_id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, snapshot_id: UUID) -> Response:
        delete_snapshot(snapshot_id=snapshot_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SnapshotChanges(TenantAPIView):
    """What changed since a snapshot."""

    access = {"GET": "knowledge.view"}

    @extend_schema(responses=ChangesBody)
    def get(self, request: Request, snapshot_id: UUID) -> Response:
        snapshot = snapshots.get_snapshot(snapshot_id)
        until = None
        if named := request.query_params.get("until"):
            until = snapshots.get_snapshot(_uuid(named))
            if until.knowledge_base_id != snapshot.knowledge_base_id:
                raise Invalid("Both snapshots must be of one knowledge base.")
        changes = [
            {
                "document_id": change.document_id,
                "title": change.title,
                "kind": change.kind,
                "added": change.added,
                "removed": change.removed,
            }
            for change in snapshots.changes_since(snapshot, until=until)
        ]
        return Response({"changes": changes})


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        sentence = "“until” is the id of another snapshot."
        raise Invalid(sentence, errors={"until": [sentence]}) from None
