"""Logs carry ids and no secrets."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from django.test import Client

from parley.observability.logs import drop_secrets
from tests.fixtures import TenantWithKey


def test_secrets_and_words_of_people_are_dropped() -> None:
    event = drop_secrets(None, "info", {"event": "x", "api_key": "k", "text": "hello", "tenant_id": "t"})
    assert event == {"event": "x", "api_key": "[not logged]", "text": "[not logged]", "tenant_id": "t"}


@pytest.mark.django_db(transaction=True)
def test_a_request_is_one_line_with_tenant_and_id(
    client: Client, tenant_a: TenantWithKey, caplog: pytest.LogCaptureFixture
) -> None:
    """D-13: no key, no cookie."""
    with caplog.at_level(logging.INFO, logger="parley.observability.requests"):
        client.get("/api/v1/knowledge-bases/", headers={**tenant_a.headers, "X-Request-ID": "abcdef-123456"})
    (line,) = [record.msg for record in caplog.records if record.name == "parley.observability.requests"]
    assert isinstance(line, dict)
    assert line["event"] == "request.answered"
    assert line["request_id"] == "abcdef-123456"
    assert line["tenant_id"] == str(tenant_a.tenant.id)
    assert tenant_a.token not in json.dumps(line, default=str)


def test_structlog_is_configured_for_the_standard_library() -> None:
    assert structlog.is_configured()
