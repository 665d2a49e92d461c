"""JSON views of a provider's further keys. A key is written and never read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.gateway import selectors
from apps.gateway.contracts import CheckOutcome
from apps.gateway.models import ProviderKey
from apps.gateway.services import keys
from parley.tenancy import tenant_tx
from parley.web.api import TenantAPIView, paginate, parse_body


class NewKeySerializer(serializers.Serializer[Any]):
    """A key to add; it is tested at once."""

    name = serializers.CharField(max_length=80)
    api_key = serializers.CharField(max_length=1_000, write_only=True)


class KeyChangeSerializer(serializers.Serializer[Any]):
    """`true` uses a key again, also one that the provider refused; `false` leaves it out."""

    is_enabled = serializers.BooleanField()


class KeyList(TenantAPIView):
    """The keys of a provider besides its first one. POST tests the new one and says what came of it."""

    access = {"GET": "gateway.view", "POST": "gateway.manage"}
    holds_transaction = False

    @extend_schema(responses=dict)
    def get(self, request: Request, provider_id: UUID) -> Response:
        with tenant_tx():
            provider = selectors.get_provider(provider_id)
            return paginate(request, selectors.list_further_keys(provider.id), key_body)

    @extend_schema(request=NewKeySerializer, responses={201: dict})
    def post(self, request: Request, provider_id: UUID) -> Response:
        with tenant_tx():
            selectors.get_provider(provider_id)
            key = keys.add_key(provider_id=provider_id, **parse_body(NewKeySerializer, request))
        outcome: CheckOutcome = async_to_sync(keys.check_key)(provider_id=provider_id, key_id=key.id)
        body = {**key_body(key), "check": {"is_ok": outcome.is_ok, "detail": outcome.sentence}}
        return Response(body, status=status.HTTP_201_CREATED)


class KeyDetail(TenantAPIView):
    """One further key."""

    access = {"PATCH": "gateway.manage", "DELETE": "gateway.manage"}

    @extend_schema(request=KeyChangeSerializer, responses=dict)
    def patch(self, request: Request, provider_id: UUID, provider_key_id: UUID) -> Response:
        selectors.get_provider(provider_id)
        is_enabled = parse_body(KeyChangeSerializer, request)["is_enabled"]
        key = keys.set_key_enabled(provider_id=provider_id, key_id=provider_key_id, is_enabled=is_enabled)
        return Response(key_body(key))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider_id: UUID, provider_key_id: UUID) -> Response:
        keys.remove_key(provider_id=provider_id, key_id=provider_key_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def key_body(key: ProviderKey) -> dict[str, Any]:
    """A key; of its secret only the last characters."""
    return {
        "id": str(key.id),
        "name": key.name,
        "last4": key.api_key_last4,
        "is_enabled": key.is_enabled,
        "refused_at": key.refused_at,
        "created_at": key.created_at,
    }
