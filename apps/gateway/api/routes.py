"""JSON views of routes: which models answer what, by which rules, and what would happen to a message."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.gateway import selectors
from apps.gateway.contracts import Asked
from apps.gateway.models import Route
from apps.gateway.routing.rule_reading import policy_json, read_policy, read_rules, rule_json
from apps.gateway.services import routes
from parley.web.api import TenantAPIView, paginate, parse_body


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.JSONField):
    """An object whose contents the service reads."""


class RouteSerializer(serializers.Serializer[Any]):
    """A route: its fallback chain, rules and what it does on failures. What is left out stays."""

    name = serializers.CharField(max_length=80, required=False)
    model_ids = serializers.ListField(
        child=serializers.UUIDField(), max_length=20, required=False, help_text="The fallback chain, first asked first"
    )
    rules = serializers.ListField(
        child=ObjectField(),
        max_length=30,
        required=False,
        help_text="In order; the first that holds wins. Each has a name, `when` (conditions) and `targets`",
    )
    policy = ObjectField(
        required=False, help_text="`fallback_on`, `continues_answers` and `hedge_after_ms` (null: no hedging)"
    )


class NewRouteSerializer(RouteSerializer):
    """A route to add."""

    name = serializers.CharField(max_length=80)
    model_ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=20)


class ChainSerializer(serializers.Serializer[Any]):
    """The models of a route, the first asked first."""

    model_ids = serializers.ListField(child=serializers.UUIDField(), max_length=20)


class DryRunSerializer(serializers.Serializer[Any]):
    """A message to try. The same `conversation_id` always gets the same share of a split."""

    message = serializers.CharField(max_length=20_000, trim_whitespace=False)
    conversation_id = serializers.UUIDField(required=False)
    has_attachment = serializers.BooleanField(required=False)
    needs_tools = serializers.BooleanField(required=False)
    at = serializers.DateTimeField(required=False, help_text="An instant to decide for; now when left out")


class RouteList(TenantAPIView):
    """Routes: one without a name for each purpose (chat, embed, judge), and those that assistants name."""

    access = {"GET": "gateway.view", "POST": "gateway.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request) -> Response:
        return paginate(request, selectors.list_routes(), route_body)

    @extend_schema(request=NewRouteSerializer, responses={201: dict})
    def post(self, request: Request) -> Response:
        body = parse_body(NewRouteSerializer, request)
        route = routes.create_route(name=body["name"], model_ids=body["model_ids"])
        _apply(route.id, {name: body[name] for name in ("rules", "policy") if name in body})
        return Response(route_body(selectors.get_route(route.id)), status=status.HTTP_201_CREATED)


class RouteDetail(TenantAPIView):
    """One route. PUT replaces its fallback chain, PATCH whatever is given."""

    access = {
        "GET": "gateway.view",
        "PUT": "gateway.manage",
        "PATCH": "gateway.manage",
        "DELETE": "gateway.manage",
    }

    @extend_schema(responses=dict)
    def get(self, request: Request, route_id: UUID) -> Response:
        return Response(route_body(selectors.get_route(route_id)))

    @extend_schema(request=ChainSerializer, responses=dict)
    def put(self, request: Request, route_id: UUID) -> Response:
        selectors.get_route(route_id)
        body = parse_body(ChainSerializer, request)
        routes.set_route(route_id=route_id, model_ids=body["model_ids"])
        return Response(route_body(selectors.get_route(route_id)))

    @extend_schema(request=RouteSerializer, responses=dict)
    def patch(self, request: Request, route_id: UUID) -> Response:
        selectors.get_route(route_id)
        _apply(route_id, parse_body(RouteSerializer, request, partial=True))
        return Response(route_body(selectors.get_route(route_id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, route_id: UUID) -> Response:
        routes.delete_route(route_id=route_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RouteDryRun(TenantAPIView):
    """Which rule wins for a message and why each other one does not. Asks no model and costs nothing."""

    access = {"POST": "gateway.view"}

    @extend_schema(request=DryRunSerializer, responses=dict)
    def post(self, request: Request, route_id: UUID) -> Response:
        route = selectors.get_route(route_id)
        body = parse_body(DryRunSerializer, request)
        asked = Asked(
            body["message"],
            body.get("conversation_id"),
            has_attachment=body.get("has_attachment", False),
            needs_tools=body.get("needs_tools", False),
        )
        return Response(dry_run_body(selectors.dry_run(route, asked, at=body.get("at"))))


def _apply(route_id: UUID, changes: dict[str, Any]) -> None:
    """One transaction, as for every view: a change that is refused leaves none of the others."""
    if "name" in changes:
        routes.rename_route(route_id=route_id, name=changes["name"])
    if "model_ids" in changes:
        routes.set_route(route_id=route_id, model_ids=changes["model_ids"])
    if "rules" in changes:
        routes.set_rules(route_id=route_id, rules=changes["rules"])
    if "policy" in changes:
        routes.set_policy(route_id=route_id, policy=changes["policy"])


def route_body(route: Route) -> dict[str, Any]:
    """A route with its models in the order they are asked, and its rules as data and as sentences."""
    choices = route.choices.all()
    return {
        "id": str(route.id),
        "purpose": route.purpose,
        "name": route.name,
        "model_ids": [str(choice.model_id) for choice in choices],
        "models": [{"id": str(choice.model_id), "label": choice.model.label} for choice in choices],
        "rules": [{**rule_json(rule), "sentence": rule.sentence()} for rule in read_rules(route.rules)],
        "policy": policy_json(read_policy(route.policy)),
    }


def dry_run_body(tried: selectors.DryRun) -> dict[str, Any]:
    """The decision with a reason for each rule."""
    decision = tried.decision
    return {
        "rule_id": decision.rule.id if decision.rule else None,
        "reason": decision.reason,
        "models": [{"id": str(model.id), "label": model.label} for model in tried.models],
        "considered": [
            {"rule_id": item.rule.id, "name": item.rule.name, "outcome": item.outcome, "reason": item.reason}
            for item in decision.considered
        ],
    }
