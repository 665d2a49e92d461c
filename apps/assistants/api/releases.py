"""JSON views of labels, rollouts and planned moves: which version visitors meet, and when."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assistants import selectors
from apps.assistants.api import serializers
from apps.assistants.policies import PRODUCTION, require_move_label
from apps.assistants.services import labels, rollouts, schedules
from parley.errors import NotFound
from parley.web.api import TenantAPIView, paginate, parse_body


class LabelList(TenantAPIView):
    """The labels of an assistant. PUT says which of them are protected."""

    access = {"GET": "assistants.view", "PUT": "assistants.protect"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        return Response({"results": [serializers.label_body(label) for label in selectors.list_labels(assistant)]})

    @extend_schema(request=serializers.ProtectionSerializer, responses=dict)
    def put(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        body = parse_body(serializers.ProtectionSerializer, request)
        labels.protect_labels(assistant_id=assistant.id, labels=body["labels"])
        return self.get(request, ref)


class LabelDetail(TenantAPIView):
    """One label: PUT moves it to a version, DELETE takes it away."""

    access = {"PUT": "assistants.edit", "DELETE": "assistants.edit"}

    @extend_schema(request=serializers.LabelSerializer, responses=dict)
    def put(self, request: Request, ref: str, label: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, label)
        number = parse_body(serializers.LabelSerializer, request)["number"]
        version = labels.move_label(assistant_id=assistant.id, label=label, number=number)
        return Response({"name": label, "version": version.number, "is_protected": label in assistant.protected_labels})

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str, label: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, label)
        labels.remove_label(assistant_id=assistant.id, label=label)
        return Response(status=status.HTTP_204_NO_CONTENT)


class LabelMoveList(TenantAPIView):
    """How the labels moved, newest first."""

    access = {"GET": "assistants.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        moves = selectors.list_label_moves(selectors.get_assistant(ref))
        return paginate(request, moves, serializers.label_move_body)


class Rollout(TenantAPIView):
    """A second version for a share of the conversations that begin."""

    access = {"GET": "assistants.view", "PUT": "assistants.publish", "DELETE": "assistants.publish"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        return Response({"rollout": serializers.rollout_body(selectors.get_assistant(ref))})

    @extend_schema(request=serializers.RolloutSerializer, responses=dict)
    def put(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, PRODUCTION)
        rollouts.set_rollout(assistant_id=assistant.id, **parse_body(serializers.RolloutSerializer, request))
        return self.get(request, ref)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, PRODUCTION)
        rollouts.stop_rollout(assistant_id=assistant.id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduledMoveList(TenantAPIView):
    """Moves of labels that wait for their time, soonest first."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        moves = selectors.list_scheduled_moves(selectors.get_assistant(ref))
        return Response({"results": [serializers.scheduled_move_body(move) for move in moves]})

    @extend_schema(request=serializers.ScheduleSerializer, responses={201: dict})
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        body = parse_body(serializers.ScheduleSerializer, request)
        require_move_label(self.actor, assistant, body["label"])
        move = schedules.schedule_move(assistant_id=assistant.id, **body)
        return Response(serializers.scheduled_move_body(move), status=status.HTTP_201_CREATED)


class ScheduledMoveDetail(TenantAPIView):
    """One planned move; DELETE takes it back."""

    access = {"DELETE": "assistants.edit"}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str, move_id: UUID) -> Response:
        move = selectors.get_scheduled_move(move_id)
        if move.assistant_id != selectors.get_assistant(ref).id:
            raise NotFound("There is no such planned move.")
        require_move_label(self.actor, move.assistant, move.label)
        schedules.cancel_move(move_id=move.id)
        return Response(status=status.HTTP_204_NO_CONTENT)
