"""Every view says who may call it: a permission, or the reason why anybody may (A-01).

A guard test walks the URL resolver and fails for a view that says neither.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django_htmx.middleware import HtmxDetails

from parley.db.threads import in_thread
from parley.errors import Unauthenticated
from parley.tenancy import tenant_tx, use_tenant
from parley.web.actors import Actor, TenantRef, acting_as

View = TypeVar("View", bound=Callable[..., Any])
Permission = str | Mapping[str, str]


class TenantRequest(HttpRequest):
    """What a tenant page receives."""

    tenant: TenantRef
    actor: Actor
    htmx: HtmxDetails


class AccessResolver(Protocol):
    """What `PARLEY_ACCESS_RESOLVER` names; `apps.tenants.services.access` is it."""

    def find_actor_by_token(self, token: str) -> Actor | None: ...

    def find_actor_of_user(self, user: Any, tenant_slug: str) -> Actor | None: ...

    def list_actors_of_user(self, user: Any) -> list[Actor]: ...

    def list_tenants_of_user(self, user: Any) -> list[TenantRef]: ...


@dataclass(frozen=True, slots=True)
class AccessRule:
    """The declaration on a view: the permission per method (`*` for any), or why it is public."""

    permissions: Mapping[str, str] | None = None
    public_because: str | None = None

    def permission_for(self, method: str) -> str | None:
        """The permission a method needs; HEAD and OPTIONS follow GET."""
        if self.permissions is None:
            return None
        looked_up = "GET" if method in ("HEAD", "OPTIONS") else method
        return self.permissions.get(looked_up) or self.permissions.get("*")


def access_resolver() -> AccessResolver:
    """The module that knows members and keys."""
    from importlib import import_module

    return cast("AccessResolver", import_module(settings.PARLEY_ACCESS_RESOLVER))


def public(reason: str) -> Callable[[View], View]:
    """Declare that anybody may call a view, and why."""

    def declare(view: View) -> View:
        view.access_rule = AccessRule(public_because=reason)  # type: ignore[attr-defined] # read by the guard
        return view

    return declare


def signed_in(reason: str) -> Callable[[View], View]:
    """Declare a page of the person themselves, outside any organisation: signed in, no further permission."""

    def declare(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            response: HttpResponseBase = view(request, *args, **kwargs)
            return response

        guarded.access_rule = AccessRule(public_because=f"any signed-in person: {reason}")  # type: ignore[attr-defined]
        return cast("View", guarded)

    return declare


def tenant_page(
    permission: Permission, *, streaming: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A page below `/t/<tenant_slug>/`.

    Nobody signed in is sent to sign-in; a stranger gets 404 (the organisation may as well not exist); a
    member without the permission gets 403. The view receives `request.tenant` and `request.actor` and not
    the slug. A plain view and its template run in one `tenant_tx`; `streaming=True` (asynchronous views)
    sets the ambient tenant only, since a stream must not hold a transaction.
    """
    permissions = {"*": permission} if isinstance(permission, str) else dict(permission)
    rule = AccessRule(permissions=permissions)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        guarded: Any = _streaming_page(view, rule) if streaming else _page(view, rule)
        guarded.access_rule = rule
        return cast("Callable[..., Any]", guarded)

    return decorate


def _page(view: Callable[..., Any], rule: AccessRule) -> Callable[..., HttpResponseBase]:
    @functools.wraps(view)
    def guarded(request: TenantRequest, tenant_slug: str, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        actor = _admit(request, access_resolver().find_actor_of_user(request.user, tenant_slug), rule)
        if actor is None:
            return HttpResponse(status=405)
        with acting_as(actor), tenant_tx(actor.tenant.id):
            response: HttpResponseBase = view(request, **kwargs)
            if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                response = response.render()
            return response

    return guarded


def _streaming_page(view: Callable[..., Awaitable[Any]], rule: AccessRule) -> Callable[..., Any]:
    if not iscoroutinefunction(view):
        raise TypeError("A streaming page is an asynchronous view.")

    @functools.wraps(view)
    async def guarded(request: TenantRequest, tenant_slug: str, **kwargs: Any) -> HttpResponseBase:
        user = await request.auser()
        if not user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        actor = _admit(request, await in_thread(access_resolver().find_actor_of_user, user, tenant_slug), rule)
        if actor is None:
            return HttpResponse(status=405)
        with acting_as(actor), use_tenant(actor.tenant.id):
            response: HttpResponseBase = await view(request, **kwargs)
            return response

    return guarded


def _admit(request: TenantRequest, actor: Actor | None, rule: AccessRule) -> Actor | None:
    """The admitted actor; None when the method is not served. Raises `Http404` for strangers, `Forbidden`."""
    if actor is None:
        raise Http404("There is no such organisation, or you are not a member of it.")
    permission = rule.permission_for(request.method or "GET")
    if permission is None:
        return None
    request.tenant = actor.tenant
    request.actor = actor
    actor.require(permission)
    return actor


async def authenticate_bearer(request: HttpRequest) -> Actor:
    """The API key's actor for asynchronous views. Raises `Unauthenticated`. Cookies are not looked at."""
    token = bearer_token(request)
    actor = await in_thread(access_resolver().find_actor_by_token, token) if token else None
    if actor is None:
        raise Unauthenticated(UNAUTHENTICATED)
    return actor


UNAUTHENTICATED = "Send a valid API key as `Authorization: Bearer …`. Keys are made under Settings › API keys."


def bearer_token(request: HttpRequest) -> str | None:
    """The text after `Bearer`, or None."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


__all__ = [
    "AccessRule",
    "TenantRequest",
    "access_resolver",
    "authenticate_bearer",
    "bearer_token",
    "public",
    "signed_in",
    "tenant_page",
]
