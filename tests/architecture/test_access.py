"""Every door declares who may use it, and the declaration is what runs."""

from __future__ import annotations

import csv
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.tenants import policies
from apps.tenants.enums import Role
from tests.architecture.routes import Route, all_routes
from tests.factories.tenants import add_member, make_tenant
from tests.fixtures import TenantWithKey

MATRIX = Path(__file__).with_name("role_matrix.csv")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTES = all_routes()
GUARDED = [route for route in ROUTES if route.access and route.access.permissions is not None]
UI = [route for route in GUARDED if route.pattern.startswith("t/")]
API = [route for route in GUARDED if route.pattern.startswith("api/")]


def test_every_route_declares_its_access() -> None:
    """A-01."""
    undeclared = [route.pattern for route in ROUTES if route.access is None]
    assert undeclared == []


def test_anonymous_routes_say_why() -> None:
    """A-01: the explicit list of addresses that need no permission."""
    for route in ROUTES:
        if route.access and route.access.permissions is None:
            assert route.access.public_because, route.pattern


def test_every_permission_exists() -> None:
    """A-01: a misspelt permission would lock everybody out, or let nobody notice."""
    for route in GUARDED:
        assert route.access is not None
        unknown = (
            set((route.access.permissions or {}).values()) - policies.ALL_PERMISSIONS - policies.VISITOR_PERMISSIONS
        )
        assert not unknown, route.pattern


def current_matrix() -> list[list[str]]:
    """One line per route and method: who may."""
    lines = []
    for route in sorted(GUARDED, key=lambda route: route.pattern):
        assert route.access is not None
        for method in METHODS:
            permission = route.access.permission_for(method)
            if permission is None:
                continue
            allowed = ["yes" if permission in policies.PERMISSIONS_BY_ROLE[role] else "no" for role in Role.values]
            lines.append([route.pattern, method, permission, *allowed])
    return lines


def test_the_committed_role_matrix_is_what_runs() -> None:
    """A-02. Renew it with `python -m tests.architecture.write_role_matrix` and review the difference."""
    with MATRIX.open(newline="", encoding="utf-8") as file:
        committed = list(csv.reader(file))
    assert committed == [["route", "method", "permission", *Role.values], *current_matrix()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", Role.values)
def test_each_role_meets_exactly_the_matrix(role: str) -> None:
    """A-02: every page route is called with every method by every role; forbidden is 403 and nothing else is."""
    tenant = make_tenant("Matrix")
    client = Client(raise_request_exception=False)
    client.force_login(add_member(tenant, f"a-{role}@matrix.example", role))
    wrong = []
    for route in UI:
        assert route.access is not None
        for method in ("GET", "POST"):
            permission = route.access.permission_for(method)
            if permission is None:
                continue
            response = client.generic(method, _path(route, tenant.slug))
            may = permission in policies.PERMISSIONS_BY_ROLE[role]
            if response.status_code == 405:
                continue  # the page serves no such method, whoever asks
            if (response.status_code == 403) == may or response.status_code >= 500:
                wrong.append((method, route.pattern, response.status_code))
    assert wrong == []


@pytest.mark.django_db(transaction=True)
def test_a_stranger_cannot_tell_an_organisation_from_nothing(
    two_tenants: tuple[TenantWithKey, TenantWithKey],
) -> None:
    """T-07: another tenant's owner gets 404 on every page and method; anonymous people are sent to sign in."""
    a, b = two_tenants
    stranger, nobody = Client(raise_request_exception=False), Client()
    stranger.force_login(b.owner)
    wrong = []
    for route in UI:
        for method in ("GET", "POST"):
            if route.access is None or route.access.permission_for(method) is None:
                continue
            path = _path(route, a.tenant.slug)
            status = stranger.generic(method, path).status_code
            if status == 405:
                continue  # the page serves no such method, whoever asks
            if status != 404:
                wrong.append((method, path, status))
            answer = nobody.generic(method, path)
            if answer.status_code != 302 or "/accounts/login/" not in answer.headers.get("Location", ""):
                wrong.append((method, path, answer.status_code))
    assert wrong == []


@pytest.mark.django_db(transaction=True)
def test_the_api_asks_for_a_key_before_anything_else(tenant_a: TenantWithKey) -> None:
    """A-15, A-08: no key or a wrong key is 401, whatever the session says, and costs at most two queries."""
    signed_in = Client(raise_request_exception=False)
    signed_in.force_login(tenant_a.owner)
    wrong = []
    for route in API:
        for method in METHODS:
            if route.access is None or route.access.permission_for(method) is None:
                continue
            for headers in (
                {},
                {"Authorization": "Bearer pk_nonsense"},
                {"Authorization": f"Bearer {_forged(tenant_a)}"},
            ):
                response = signed_in.generic(method, _path(route, ""), headers=headers)
                if response.status_code != 401 or response.headers["Content-Type"] != "application/problem+json":
                    wrong.append((method, route.pattern, response.status_code))
    assert wrong == []


@pytest.mark.django_db(transaction=True)
def test_a_key_without_the_scope_is_refused(tenant_a: TenantWithKey) -> None:
    """A-01, A-03: every API route with a key that holds every scope but the needed one."""
    from apps.tenants.services.api_keys import create_api_key
    from parley.tenancy import tenant_tx

    tokens: dict[str, str] = {}
    for permission in {p for route in API for p in (route.access.permissions or {}).values()}:  # type: ignore[union-attr]
        with tenant_tx(tenant_a.tenant.id):
            tokens[permission] = create_api_key(name=permission, scopes=policies.ALL_PERMISSIONS - {permission}).token
    client = Client(raise_request_exception=False)
    wrong = []
    for route in API:
        for method in METHODS:
            permission = route.access.permission_for(method) if route.access else None
            if permission is None:
                continue
            headers = {"Authorization": f"Bearer {tokens[permission]}"}
            response = client.generic(method, _path(route, ""), headers=headers)
            if response.status_code != 403:
                wrong.append((method, route.pattern, response.status_code))
    assert wrong == []


def _forged(tenant: TenantWithKey) -> str:
    return tenant.token[:-6] + ("AAAAAA" if tenant.token[-6:] != "AAAAAA" else "BBBBBB")


def _path(route: Route, slug: str) -> str:
    values: dict[str, Any] = {
        name: str(uuid.uuid4()) if converter == "uuid" else "1" if converter == "int" else "nothing-here"
        for converter, name in route.parameters
    }
    values["tenant_slug"] = slug
    return route.path(**values)
