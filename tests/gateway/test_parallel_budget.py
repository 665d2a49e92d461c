"""Many processes against one limit, and the sweeper across tenants: real commits, real concurrency."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from apps.gateway import selectors
from apps.gateway.models import Budget, Hold, UsageEntry
from apps.gateway.services import budgets, holds
from apps.gateway.tasks import sweep_holds
from parley.db import uuid7
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice
from tests.services import ROOT, TestServices

PROCESSES, THREADS, REQUESTS, WORTH = 4, 13, 8, 60
LEVELS = [("assistant", "month", "0.6"), ("channel", "day", "0.35"), ("visitor", "day", "0.15")]


@contextmanager
def client(
    services: TestServices, tenant_id: object, *more: str, threads: int = THREADS
) -> Iterator[subprocess.Popen[str]]:
    database = settings.DATABASES["default"]["NAME"]
    environment = {**services.environment(database), "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.gateway.hold_client", str(tenant_id), str(threads), str(REQUESTS), *more]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def go(processes: list[subprocess.Popen[str]]) -> None:
    """Start them all at once, when the last one has loaded the product."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


@pytest.mark.django_db(transaction=True)
def test_four_processes_cannot_pass_the_limit_together(test_services: TestServices) -> None:
    """B-01: more than fifty clients in four processes against a limit worth sixty calls: exactly sixty are
    reserved, and at no sampled instant is more spent and held than the limit."""
    tenant = make_tenant("Parallel")
    with tenant_tx(tenant.id):
        budgets.set_limit(limit=Decimal(WORTH))
    admin = make_conninfo(test_services.admin_url, dbname=settings.DATABASES["default"]["NAME"])
    samples: list[Decimal] = []
    with psycopg.connect(admin, autocommit=True) as observer, ExitStack() as stack:
        processes = [stack.enter_context(client(test_services, tenant.id)) for _ in range(PROCESSES)]
        go(processes)
        while any(process.poll() is None for process in processes):
            row = observer.execute("SELECT spent + held FROM gateway_budget").fetchone()
            assert row is not None
            samples.append(row[0])
        got = [int(process.communicate()[0]) for process in processes]
    assert max(samples) <= WORTH
    assert len(set(samples)) > 2
    assert sum(got) == WORTH
    with tenant_tx(tenant.id):
        status = selectors.budget_status()
        assert (status.spent, status.held) == (0, WORTH)
        assert Hold.objects.count() == WORTH


@pytest.mark.django_db(transaction=True)
def test_fifty_clients_on_one_dollar_spend_at_most_one_dollar(test_services: TestServices) -> None:
    """B-01: reserving and settling against a dollar a month, 0.60 an assistant, 0.35 a channel and day, 0.15 a
    visitor and day: no level is passed at any sampled instant, and nobody waits for a lock in a circle."""
    tenant = make_tenant("Dollar")
    with tenant_tx(tenant.id):
        budgets.set_limit(limit=Decimal(1))
        for scope, period, limit in LEVELS:
            budgets.create_limit(scope=scope, period=period, limit=Decimal(limit))
    admin = make_conninfo(test_services.admin_url, dbname=settings.DATABASES["default"]["NAME"])
    passed: list[tuple[str, Decimal]] = []
    with psycopg.connect(admin, autocommit=True) as observer, ExitStack() as stack:
        processes = [stack.enter_context(client(test_services, tenant.id, "0.01", threads=25)) for _ in range(2)]
        go(processes)
        while any(process.poll() is None for process in processes):
            passed += observer.execute(
                'SELECT scope, spent + held FROM gateway_budget WHERE spent + held > "limit"'
            ).fetchall()
        got = sum(int(process.communicate()[0]) for process in processes)
    assert not passed
    with tenant_tx(tenant.id):
        ledger = UsageEntry.objects.aggregate(total=Sum("cost"))["total"]
        assert got == UsageEntry.objects.count()
        assert Decimal("0.65") <= ledger <= Decimal(1)
        for row in Budget.objects.all():
            assert (row.held, row.spent) == (0, selectors.spent_in(row.id)), row.scope
        assert {row.scope for row in Budget.objects.all()} == {"tenant", "assistant", "channel", "visitor"}


@pytest.mark.django_db(transaction=True)
def test_the_sweeper_finds_dead_reservations_of_every_tenant() -> None:
    """B-05: no reservation outlives its time, whoever made it; the living are left alone."""
    tenants = [make_tenant(name) for name in ("Acme", "Birch", "Cedar")]
    for tenant in tenants:
        with tenant_tx(tenant.id):
            for _ in range(2):
                holds.reserve(
                    call_id=uuid7(),
                    purpose="chat",
                    choice=make_choice(),
                    input_tokens=1_000,
                    max_output_tokens=1_000,
                )
            if tenant is not tenants[2]:
                Hold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep_holds.delay()
    sweep_holds.delay()
    spent = []
    for tenant in tenants:
        with tenant_tx(tenant.id):
            status = selectors.budget_status()
            spent.append((status.spent, status.held))
    dead, living = (Decimal("0.0221"), Decimal(0)), (Decimal(0), Decimal("0.0221"))
    assert spent == [dead, dead, living]
