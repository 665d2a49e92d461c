"""Tasks carry their tenant, or do not run."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from celery import chain, chord, group
from django.db import transaction
from django.test.utils import CaptureQueriesContext

from parley.jobs import MissingTenant, enqueue, platform_task, tenant_task
from parley.jobs.bases import TENANT_HEADER
from parley.tenancy import current_tenant_id, tenant_tx, use_tenant
from tests.fixtures import TenantWithKey

seen: list[Any] = []


@tenant_task(name="tests.note_tenant", soft_time_limit=5, time_limit=10, safe_to_repeat="it only looks")
def note_tenant(*args: Any, **kwargs: Any) -> None:
    seen.append(current_tenant_id())


@platform_task(name="tests.note_platform", soft_time_limit=5, time_limit=10, safe_to_repeat="it only looks")
def note_platform() -> None:
    seen.append("platform")


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


@pytest.mark.django_db
def test_a_task_without_a_tenant_fails_before_its_first_query() -> None:
    """T-10."""
    from django.db import connection

    with CaptureQueriesContext(connection) as queries, pytest.raises(MissingTenant):
        note_tenant.apply(throw=True)
    assert (seen, len(queries)) == ([], 0)


@pytest.mark.django_db
def test_the_ambient_tenant_travels_with_the_message(
    tenant_a: TenantWithKey, django_capture_on_commit_callbacks: Any
) -> None:
    """T-10."""
    with django_capture_on_commit_callbacks(execute=True), tenant_tx(tenant_a.tenant.id):
        enqueue("tests.note_tenant")
        assert seen == []
    assert seen == [tenant_a.tenant.id]


@pytest.mark.django_db(transaction=True)
def test_nothing_starts_when_the_change_is_rolled_back() -> None:
    def change_that_fails() -> None:
        with transaction.atomic():
            enqueue("tests.note_platform")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_that_fails()
    assert seen == []


def test_chains_groups_and_chords_carry_the_tenant() -> None:
    """T-10: whoever composes tasks passes the header once."""
    tenant_id = uuid.uuid4()
    headers = {TENANT_HEADER: str(tenant_id)}
    chain(note_tenant.si().set(headers=headers), note_tenant.si().set(headers=headers)).apply()
    group(note_tenant.si().set(headers=headers) for _ in range(2)).apply()
    chord([note_tenant.si().set(headers=headers)], note_tenant.si().set(headers=headers)).apply()
    assert seen == [tenant_id] * 6


def test_an_unknown_task_is_refused_at_once() -> None:
    with pytest.raises(LookupError, match="no_such"), use_tenant(uuid.uuid4()):
        enqueue("knowledge.no_such")
