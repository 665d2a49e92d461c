"""Headers on every response."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tests.architecture.routes import all_routes
from tests.fixtures import TenantWithKey


@pytest.mark.django_db(transaction=True)
def test_every_response_carries_the_walls(tenant_a: TenantWithKey) -> None:
    """A-10, A-09: pages, errors, JSON and static files, for people, programs and strangers."""
    person, nobody = Client(raise_request_exception=False), Client(raise_request_exception=False)
    person.force_login(tenant_a.owner)
    paths = [
        "/nothing/here/",
        "/api/v1/nothing/",
        "/accounts/login/",
        "/static/css/base.css",
        "/static/nothing.css",
    ]
    for route in all_routes():
        values = {name: str(uuid.uuid4()) if kind == "uuid" else "1" for kind, name in route.parameters}
        values["tenant_slug"] = tenant_a.tenant.slug
        if "tenant_slug" in route.pattern or not route.parameters:
            paths.append(route.path(**values))
        else:
            paths.append(route.path(**values))
    missing = []
    for path in paths:
        for client in (person, nobody):
            response = client.get(path)
            missing += [f"{path}: {fault}" for fault in _faults(dict(response.headers), path)]
            if hasattr(response, "streaming_content"):
                response.close()
    assert missing == []


def _faults(headers: dict[str, str], path: str) -> list[str]:
    faults = []
    policy = headers.get("Content-Security-Policy", "")
    faults += [f"policy without {part}" for part in ("object-src 'none'", "base-uri 'none'") if part not in policy]
    is_framed = path.startswith("/w/")
    if "frame-ancestors 'none'" not in policy and not is_framed:
        faults.append("policy lets others frame it")
    if "unsafe-inline" in policy or "unsafe-eval" in policy:
        faults.append("policy allows inline script or eval")
    if int(headers.get("Strict-Transport-Security", "max-age=0").split(";")[0].split("=")[1]) < 31_536_000:
        faults.append("HSTS shorter than a year")
    expected = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin"}
    faults += [f"no {name}" for name, value in expected.items() if headers.get(name) != value]
    faults += [f"no {name}" for name in ("Referrer-Policy", "X-Request-ID") if name not in headers]
    if headers.get("Access-Control-Allow-Origin") == "*" and "Access-Control-Allow-Credentials" in headers:
        faults.append("credentials for every origin")
    return faults


@pytest.mark.django_db
def test_a_page_script_needs_the_nonce_of_its_page(client: Client) -> None:
    """A-10."""
    first, second = client.get("/"), client.get("/")
    nonces = [
        response.headers["Content-Security-Policy"].split("'nonce-")[1].split("'")[0] for response in (first, second)
    ]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in first.content.decode()


def test_a_sensible_request_id_is_kept_and_others_are_replaced(client: Client) -> None:
    kept = client.get("/healthz", headers={"X-Request-ID": "abc-12345"})
    replaced = client.get("/healthz", headers={"X-Request-ID": "<script>"})
    assert kept.headers["X-Request-ID"] == "abc-12345"
    assert replaced.headers["X-Request-ID"] != "<script>"
