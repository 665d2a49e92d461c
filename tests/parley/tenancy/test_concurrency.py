"""The binding under a shared pool, threads, cancelled tasks and sockets."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections, transaction

from apps.tenants.models import AuditEvent
from parley.db.threads import in_thread
from parley.tenancy import current_tenant_id, tenant_tx, use_tenant
from tests.factories.tenants import make_tenant, make_user


@pytest.fixture
def pool_of_five(transactional_db: None) -> Iterator[None]:
    """The application role behind a pool that twenty tenants must share."""
    connections["default"].close()
    options = connections["default"].settings_dict["OPTIONS"]
    options["pool"] = {"min_size": 5, "max_size": 5, "timeout": 30}
    yield
    connections["default"].close()
    connections["default"].close_pool()
    del options["pool"]


class Interrupted(Exception):
    """A failure in the middle of a transaction."""


@pytest.mark.django_db(transaction=True)
async def test_two_hundred_interleaved_transactions_mix_nothing(pool_of_five: None) -> None:
    """T-09: 20 tenants, a pool of 5, random failures and cancelled tasks: no foreign row is ever seen."""
    tenants = await in_thread(make_twenty_tenants)
    dice = random.Random(9)
    foreign: list[Any] = []

    def work(tenant_id: uuid.UUID, fails: bool) -> None:
        with tenant_tx(tenant_id):
            rows = AuditEvent.objects.values_list("tenant_id", flat=True)
            foreign.extend(row for row in rows if row != tenant_id)
            AuditEvent.objects.create(actor_kind="system", actor_label="test", action="test.ran")
            foreign.extend(row for row in rows.all() if row != tenant_id)
            if fails:
                raise Interrupted
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT coalesce(current_setting('app.tenant_id', true), '')")
            if cursor.fetchone()[0]:
                foreign.append("left behind")

    async def one(number: int) -> None:
        with use_tenant(tenants[number % 20]):
            await in_thread(work, tenants[number % 20], dice.random() < 0.2)

    tasks = [asyncio.ensure_future(one(number)) for number in range(200)]
    await asyncio.sleep(0.05)
    for task in dice.sample(tasks, 30):
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert foreign == []
    assert {type(outcome) for outcome in outcomes} <= {type(None), Interrupted, asyncio.CancelledError}
    assert current_tenant_id() is None


def make_twenty_tenants() -> list[uuid.UUID]:
    owner = make_user("owner@example.com")
    return [make_tenant(f"Tenant {number}", owner=owner).id for number in range(20)]


@pytest.mark.django_db(transaction=True)
async def test_a_thread_gets_the_callers_tenant_and_only_for_the_call() -> None:
    tenant_id = (await in_thread(make_twenty_tenants))[0]
    with use_tenant(tenant_id):
        assert await in_thread(current_tenant_id) == tenant_id
    assert await in_thread(current_tenant_id) is None


@pytest.mark.django_db(transaction=True)
async def test_two_tenants_on_one_loop_and_one_thread_pool() -> None:
    """T-11: 10,000 interleaved events of two tenants, each handled with its own tenant and no other."""
    tenants = (await in_thread(make_twenty_tenants))[:2]
    foreign = 0

    async def consumer(tenant_id: uuid.UUID) -> None:
        nonlocal foreign
        with use_tenant(tenant_id):
            for number in range(5_000):
                await asyncio.sleep(0)
                foreign += current_tenant_id() != tenant_id
                if number % 250 == 0:
                    foreign += await in_thread(seen_of_others, tenant_id)

    await asyncio.gather(*(consumer(tenant_id) for tenant_id in tenants))
    assert foreign == 0


def seen_of_others(tenant_id: uuid.UUID) -> int:
    with transaction.atomic(), tenant_tx(tenant_id):
        return sum(row != tenant_id for row in AuditEvent.objects.values_list("tenant_id", flat=True))
