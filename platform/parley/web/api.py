"""The base of every JSON view: key in, tenant set, one transaction, problems out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar, TypeVar

from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.authentication import BaseAuthentication
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from parley.errors import Invalid, Unauthenticated
from parley.tenancy import tenant_tx, use_tenant
from parley.web.access import UNAUTHENTICATED, AccessRule, access_resolver, bearer_token
from parley.web.actors import Actor, TenantRef, acting_as
from parley.web.problems import flatten_errors

M = TypeVar("M", bound=models.Model)


class BearerAuthentication(BaseAuthentication):
    """An API key in the Authorization header. Cookies are never looked at (A-08)."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        token = bearer_token(request._request)
        if token is None:
            return None
        actor = access_resolver().find_actor_by_token(token)
        if actor is None:
            raise Unauthenticated(UNAUTHENTICATED)
        return actor, actor

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Parley"'


class TenantAPIView(APIView):
    """A JSON view of one organisation's data.

    `access` names the permission for each method. The method runs inside `tenant_tx` and is rolled back
    when it raises; set `holds_transaction = False` where the service must open transactions itself.
    """

    authentication_classes = (BearerAuthentication,)
    access: ClassVar[Mapping[str, str]] = {}
    holds_transaction: ClassVar[bool] = True

    actor: Actor
    tenant: TenantRef
    _stack: ExitStack

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view: Any = super().as_view(**initkwargs)
        view.access_rule = AccessRule(permissions=cls.access)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as stack:
            self._stack = stack
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        actor = request.auth
        if not isinstance(actor, Actor):
            raise Unauthenticated(UNAUTHENTICATED)
        self.actor, self.tenant = actor, actor.tenant
        request._request.tenant = actor.tenant  # type: ignore[attr-defined] # for the request log
        permission = AccessRule(permissions=self.access).permission_for(request.method or "GET")
        if permission is None:
            self.http_method_not_allowed(request)
            return
        actor.require(permission)
        self._stack.enter_context(acting_as(actor))
        self._stack.enter_context(tenant_tx(actor.tenant.id) if self.holds_transaction else use_tenant(actor.tenant.id))


class PublicAPIView(APIView):
    """A JSON view for anybody; `public_because` says why."""

    authentication_classes = ()
    public_because: ClassVar[str] = ""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view: Any = super().as_view(**initkwargs)
        view.access_rule = AccessRule(public_because=cls.public_because)
        return view


class NewestFirst(CursorPagination):
    """Cursor pages of 50, or `?limit=` up to 200; UUIDv7 keys make `-id` newest first."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-id"


class OldestFirst(NewestFirst):
    """For what is read as a sequence (messages, events)."""

    ordering = "id"


def paginate(
    request: Request,
    queryset: models.QuerySet[M],
    serialize: Callable[[M], dict[str, Any]],
    *,
    oldest_first: bool = False,
    ordering: str = "",
) -> Response:
    """`{"results", "next", "previous"}` of a queryset. Raises 404 for a cursor that was not ours.

    `ordering` names a field that no two rows share, for sequences whose ids do not rise.
    """
    paginator = OldestFirst() if oldest_first else NewestFirst()
    paginator.ordering = ordering or paginator.ordering
    page = paginator.paginate_queryset(queryset, request) or []
    return paginator.get_paginated_response([serialize(row) for row in page])


def parse_body(serializer_class: type[Serializer[Any]], request: Request, **options: Any) -> dict[str, Any]:
    """The validated body. Raises `Invalid` with sentences by field, also for fields nobody asked for."""
    if not isinstance(request.data, Mapping):
        raise Invalid("Send a JSON object.")
    serializer = serializer_class(data=request.data, **options)
    if not serializer.is_valid():
        raise Invalid("Some fields are missing or not valid.", errors=flatten_errors(serializer.errors))
    validated: dict[str, Any] = serializer.validated_data
    return validated
