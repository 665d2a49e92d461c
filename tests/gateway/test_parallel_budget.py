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
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from apps.gateway import selectors
from apps.gateway.models import Hold
from apps.gateway.services import budgets, holds
from apps.gateway.tasks import sweep_holds
from parley.db import uuid7
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice
from tests.services import ROOT, TestServices

PROCESSES, THREADS, REQUESTS, WORTH = 4, 13, 8, 60


@contextmanager
def client(services: TestServices, tenant_id: object) -> Iterator[subprocess.Popen[str]]:
    database = settings.DATABASES["default"]["NAME"]
    environment = {**services.environment(database), "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.gateway.hold_client", str(tenant_id), str(THREADS), str(REQUESTS)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


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
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
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
