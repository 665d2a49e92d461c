"""JSON views: validate, one call, render. An assistant is named by id or slug."""

from functools import partial
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.assistants import selectors
from apps.assistants.api import serializers
from apps.assistants.policies import PRODUCTION, require_move_label
from apps.assistants.services import assistants, versions
from apps.assistants.services.starting import start_from
from apps.assistants.starters import STARTERS
from apps.gateway import selectors as gateway
from parley.errors import Invalid
from parley.web.api import TenantAPIView, paginate, parse_body


class AssistantList(TenantAPIView):
    """The assistants of the organisation."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_assistants(), serializers.assistant_body)

    @extend_schema(request=serializers.NewAssistantSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        fields = _with_model(parse_body(serializers.NewAssistantSerializer, request))
        starter = fields.pop("starter", None)
        make = assistants.create_assistant if starter is None else partial(start_from, starter=starter)
        assistant = make(**fields)
        return Response(serializers.assistant_body(assistant), status=status.HTTP_201_CREATED)


class StarterList(TenantAPIView):
    """Assistants to start from: name one as `starter` when creating an assistant."""

    access = {"GET": "assistants.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return Response({"results": [serializers.starter_body(starter) for starter in STARTERS]})


class AssistantDetail(TenantAPIView):
    """One assistant. PATCH changes where visitors may meet it; the draft has an address of its own."""

    access = {"GET": "assistants.view", "PATCH": "assistants.publish", "DELETE": "assistants.publish"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        return Response(serializers.assistant_body(selectors.get_assistant(ref)))

    @extend_schema(request=serializers.SharingSerializer, responses=dict)
    def patch(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        changes = parse_body(serializers.SharingSerializer, request)
        assistants.update_sharing(assistant_id=assistant.id, **changes)
        return Response(serializers.assistant_body(selectors.get_assistant(assistant.id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str) -> Response:
        assistants.delete_assistant(assistant_id=selectors.get_assistant(ref).id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AssistantDraft(TenantAPIView):
    """The draft: what the next published version will be."""

    access = {"GET": "assistants.view", "PATCH": "assistants.edit", "PUT": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        return Response(serializers.draft_body(selectors.get_assistant(ref)))

    @extend_schema(request=serializers.DraftChangeSerializer, responses=dict)
    def patch(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        changes = _with_model(parse_body(serializers.DraftChangeSerializer, request))
        assistants.update_draft(assistant_id=assistant.id, **changes)
        return Response(serializers.draft_body(selectors.get_assistant(assistant.id)))

    @extend_schema(request=serializers.DraftChangeSerializer, responses=dict)
    def put(self, request: Request, ref: str) -> Response:
        return self.patch(request, ref)


class VersionList(TenantAPIView):
    """Versions, newest first. POST saves the draft as one without showing it to visitors."""

    access = {"GET": "assistants.view", "POST": "assistants.edit"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        return paginate(
            request,
            selectors.list_versions(assistant),
            lambda version: serializers.version_body(version, assistant),
        )

    @extend_schema(request=serializers.PublishSerializer, responses={201: dict})
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        body = parse_body(serializers.PublishSerializer, request)
        version = versions.save_version(assistant_id=assistant.id, note=body.get("note", ""))
        return Response(serializers.version_body(version, assistant), status=status.HTTP_201_CREATED)


class VersionDetail(TenantAPIView):
    """One published version."""

    access = {"GET": "assistants.view"}

    @extend_schema(responses=dict)
    def get(self, request: Request, ref: str, number: int) -> Response:
        assistant = selectors.get_assistant(ref)
        return Response(serializers.version_body(selectors.get_version(assistant, number), assistant))


class Compare(TenantAPIView):
    """What changed between two states: `?from=` and `?to=` are numbers, labels or "draft"."""

    access = {"GET": "assistants.view"}

    @extend_schema(
        parameters=[OpenApiParameter("from", str), OpenApiParameter("to", str)],
        responses=dict,
    )
    def get(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        first = request.query_params.get("from") or PRODUCTION
        second = request.query_params.get("to") or selectors.DRAFT
        changes = selectors.compare_states(assistant, first, second)
        return Response({"from": first, "to": second, "changes": [serializers.change_body(one) for one in changes]})


class Publish(TenantAPIView):
    """Makes the draft the next version. Repeating it without a change gives the same version."""

    access = {"POST": "assistants.publish"}

    @extend_schema(request=serializers.PublishSerializer, responses=dict)
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, PRODUCTION)
        body = parse_body(serializers.PublishSerializer, request)
        version = versions.publish(assistant_id=assistant.id, note=body.get("note", ""))
        return Response(serializers.version_body(version, selectors.get_assistant(assistant.id)))


class Rollback(TenantAPIView):
    """Gives visitors an earlier version again."""

    access = {"POST": "assistants.publish"}

    @extend_schema(request=serializers.RollbackSerializer, responses=dict)
    def post(self, request: Request, ref: str) -> Response:
        assistant = selectors.get_assistant(ref)
        require_move_label(self.actor, assistant, PRODUCTION)
        number = parse_body(serializers.RollbackSerializer, request).get("number")
        if number is None:
            number = selectors.get_previous_version(assistant).number
        version = versions.rollback(assistant_id=assistant.id, number=number)
        return Response(serializers.version_body(version, selectors.get_assistant(assistant.id)))


def _with_model(fields: dict[str, Any]) -> dict[str, Any]:
    """The body with `model` and `route` (an id or a name each) replaced by `model_id` and `route_id`."""
    if fields.get("model") and fields.get("route"):
        sentence = "Name a model or a route, not both."
        raise Invalid("Some settings of the assistant are not valid.", errors={"route": [sentence]})
    if "model" in fields:
        fields["model_id"] = _model_id(fields.pop("model"))
    if "route" in fields:
        fields["route_id"] = _route_id(fields.pop("route"))
    return fields


def _route_id(route: str | None) -> UUID | None:
    if not route:
        return None
    found = next((known for known, name in gateway.list_route_choices() if route in (str(known), name)), None)
    if found is None:
        sentence = f"There is no route {route!r}. The list is at /api/v1/routes/."
        raise Invalid("Some settings of the assistant are not valid.", errors={"route": [sentence]})
    return found


def _model_id(model: str | None) -> UUID | None:
    if not model:
        return None
    try:
        return UUID(model)
    except ValueError:
        pass
    named = gateway.list_models(kind="chat", is_enabled=True).filter(name=model).first()
    if named is None:
        sentence = f"There is no chat model named {model!r}. The list is at /api/v1/models/."
        raise Invalid("Some settings of the assistant are not valid.", errors={"model": [sentence]})
    return named.id
