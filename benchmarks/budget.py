"""What reserving money adds to a call, and whether many processes can pass a limit together (B-01, B-11).

Four client processes reserve against one tenant's counters, in a database that waits for its disk as the product's
does. The reference is the least that any design must do: one UPDATE of the counters in a transaction of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
PROCESSES = 4
RUNS = 5
# B-11 asks for 20 calls a second of one tenant.
PACED_SECONDS, CALLS_PER_SECOND = 10, 20
THREADS, REQUESTS, WORTH = 13, 200, 60


def run() -> Iterator[Figure]:
    """`budget.hold_p50`, `budget.hold_p99` (ms), `budget.overspend` (US dollars beyond a limit of 60)."""
    sys.path.insert(0, str(ROOT / "platform"))
    from parley.embedded.throwaway import start_throwaway_services

    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder), settings={}) as services,
    ):
        services.create_database("parley")
        environment = _environment(services.environment("parley"), folder)
        tenant = _child(environment, "prepare")
        yield from _paced(environment, tenant)
        yield _overspend(environment, tenant, services.admin_url)


def _paced(environment: dict[str, str], tenant: str) -> Iterator[Figure]:
    holds: list[list[float]] = []
    updates: list[list[float]] = []
    for _ in range(RUNS):
        found = [json.loads(line) for line in _clients(environment, "pace", tenant)]
        holds.append([sample for client in found for sample in client["holds"]])
        updates.append([sample for client in found for sample in client["updates"]])
    note = f"{CALLS_PER_SECOND} calls a second of one tenant from {PROCESSES} processes; reference: one UPDATE"
    for name, share in (("budget.hold_p50", 50), ("budget.hold_p99", 99)):
        values = [_percentile(samples, share) for samples in holds]
        references = [_percentile(samples, share) for samples in updates]
        yield Figure.of_runs(name, "ms", values, references=references, note=note)


def _overspend(environment: dict[str, str], tenant: str, admin_url: str) -> Figure:
    import psycopg
    from psycopg.conninfo import make_conninfo

    _child(environment, "limit", tenant)
    highest = Decimal(0)
    with ExitStack() as stack:
        processes = [_start(stack, environment, "storm", tenant) for _ in range(PROCESSES)]
        _go(processes)
        with psycopg.connect(make_conninfo(admin_url, dbname="parley"), autocommit=True) as observer:
            while any(process.poll() is None for process in processes):
                row = observer.execute(
                    'SELECT max(spent + held) FROM gateway_budget WHERE "limit" IS NOT NULL'
                ).fetchone()
                highest = max(highest, row[0] if row and row[0] is not None else Decimal(0))
        got = sum(int(process.communicate()[0]) for process in processes)
    if got != WORTH:
        raise RuntimeError(f"{got} calls were reserved of the {WORTH} that the limit is worth.")
    beyond = max(Decimal(0), highest - WORTH)
    calls = PROCESSES * THREADS * REQUESTS
    note = f"{calls} calls of {PROCESSES * THREADS} clients in {PROCESSES} processes, a limit worth {WORTH}"
    return Figure("budget.overspend", float(beyond), "USD", reference=0.0, note=note)


def _percentile(samples: Sequence[float], share: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[share - 1]


# -- starting children ----------------------------------------------------------------


def _environment(services: dict[str, str], folder: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
    settings = {"DJANGO_SETTINGS_MODULE": "parley.config.settings.local", "PARLEY_LOG_LEVEL": "WARNING"}
    settings["PARLEY_DB_POOL"] = str(THREADS)
    return {**os.environ, **services, **settings, "PYTHONPATH": path, "PARLEY_DATA_DIR": folder}


def _child(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.budget", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def _start(stack: ExitStack, environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.budget", *arguments]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes))
    stack.callback(process.kill)
    return process


def _go(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Start them all at once, when the last one has loaded the product."""
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def _clients(environment: dict[str, str], *arguments: str) -> list[str]:
    with ExitStack() as stack:
        processes = [_start(stack, environment, *arguments) for _ in range(PROCESSES)]
        _go(processes)
        return [process.communicate()[0] for process in processes]


# -- the children ---------------------------------------------------------------------


def main() -> None:
    """One of: `prepare`, `limit TENANT`, `pace TENANT`, `storm TENANT`."""
    import django

    django.setup()
    match sys.argv[1:]:
        case ["prepare"]:
            print(_prepare())
        case ["limit", tenant]:
            _limit(UUID(tenant))
        case [("pace" | "storm") as kind, tenant]:
            print("ready", flush=True)
            sys.stdin.readline()
            print(_pace(UUID(tenant)) if kind == "pace" else _storm(UUID(tenant)), flush=True)


def _prepare() -> str:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from apps.tenants.services.tenants import create_tenant

    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    owner = get_user_model().objects.create_user(email="bench@example.com", password=None)
    return str(create_tenant(name="Bench", owner=owner).id)


def _limit(tenant_id: UUID) -> None:
    from apps.gateway.models import Budget, Hold
    from apps.gateway.services import budgets
    from parley.tenancy import tenant_tx

    with tenant_tx(tenant_id):
        Hold.objects.all().delete()
        Budget.objects.update(held=0)
        budgets.set_limit(limit=Decimal(WORTH))


def _reserve(tenant_id: UUID, dollars_per_call: Decimal) -> None:
    from apps.gateway.contracts import ModelChoice, Price
    from apps.gateway.services import holds
    from parley.db import uuid7
    from parley.llm import ModelTarget
    from parley.tenancy import tenant_tx

    choice = ModelChoice(
        model_id=tenant_id,
        provider_id=None,
        label="Bench",
        target=ModelTarget(backend="openai", model="bench"),
        context_tokens=8_000,
        max_output_tokens=1,
        price=Price(Decimal(0), dollars_per_call * 1_000_000),
    )
    with tenant_tx(tenant_id):
        holds.reserve(call_id=uuid7(), purpose="chat", choice=choice, input_tokens=0, max_output_tokens=1)


def _pace(tenant_id: UUID) -> str:
    """Reserve and update in turns, a few times a second, and say how many milliseconds each took."""
    from django.db.models import F

    from apps.gateway.models import Budget
    from parley.tenancy import tenant_tx

    def bare_update() -> None:
        with tenant_tx(tenant_id):
            Budget.objects.update(held=F("held") + 0)

    pause = PROCESSES / CALLS_PER_SECOND
    samples: dict[str, list[float]] = {"holds": [], "updates": []}
    _reserve(tenant_id, Decimal("0.001"))
    for _ in range(PACED_SECONDS * CALLS_PER_SECOND // PROCESSES):
        started = time.perf_counter()
        _reserve(tenant_id, Decimal("0.001"))
        reserved = time.perf_counter()
        bare_update()
        updated = time.perf_counter()
        samples["holds"].append((reserved - started) * 1000)
        samples["updates"].append((updated - reserved) * 1000)
        time.sleep(max(0.0, pause - (updated - started)))
    return json.dumps(samples)


def _storm(tenant_id: UUID) -> int:
    """Many threads reserve a dollar each as fast as they can; the number of those that got it."""
    from django.db import connections

    from parley.errors import OverBudget

    def client(_: int) -> int:
        got = 0
        for _request in range(REQUESTS):
            try:
                _reserve(tenant_id, Decimal(1))
                got += 1
            except OverBudget:
                pass
        connections.close_all()
        return got

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(client, range(THREADS)))


if __name__ == "__main__":
    main()
