"""Health for load balancers and operators."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from parley.web import health


def test_alive_asks_nothing(client: Client) -> None:
    """No database fixture: a query would fail this test."""
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_names_each_dependency(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert {name: check["status"] for name, check in answer.json()["checks"].items()} == {
        "database": "ok",
        "valkey": "ok",
    }


@pytest.mark.django_db
def test_not_ready_is_503_and_says_which(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> None:
        raise OperationalError("password=secret")

    monkeypatch.setitem(health._CHECKS, "database", down)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == {"status": "unavailable"}
    assert b"secret" not in answer.content


def test_metrics_are_for_the_holder_of_their_token(client: Client, settings: object) -> None:
    settings.PARLEY_METRICS_TOKEN = ""  # type: ignore[attr-defined]
    assert client.get("/metrics").status_code == 401
    settings.PARLEY_METRICS_TOKEN = "m" * 20  # type: ignore[attr-defined]
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"})
    assert b"process_cpu_seconds_total" in answer.content
