"""How long the usage page waits for its numbers when the ledger has ten million lines.

The lines are generated: ninety days of one tenant, six models, five purposes, four assistants. The reference is the
same question asked of the ledger itself, in the same run on the same rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
LINES = int(os.environ.get("PARLEY_BENCH_USAGE_LINES", "10000000"))
DAYS = 90
RUNS = 5

_GENERATE = """
INSERT INTO gateway_usageentry (id, tenant_id, created_at, call_id, kind, budget_id, purpose, model_id, model_label,
    assistant_id, channel, grade, input_tokens, cached_input_tokens, cache_write_tokens, image_tokens, reasoning_tokens,
    output_tokens, cost, overage, confidence)
SELECT gen_random_uuid(), %(tenant)s, now() - make_interval(secs => %(seconds)s::float8 * n / %(lines)s),
    gen_random_uuid(), 'charge', %(budget)s, (ARRAY['chat', 'embed', 'judge', 'evaluation', 'rewrite'])[1 + n %% 5],
    %(tenant)s, 'model ' || n %% 6, ('00000000-0000-0000-0000-00000000000' || n %% 4)::uuid,
    (ARRAY['widget', 'page', 'api'])[1 + n %% 3], 0, 1000, 100, 0, 0, 0, 200, 0.001, 0, 'exact'
FROM generate_series(0, %(lines)s - 1) AS n
"""


def run() -> Iterator[Figure]:
    """`usage.page` (ms: three months by day and model), `usage.roll_up` (s: all of it from the first line on)."""
    sys.path.insert(0, str(ROOT / "platform"))
    from parley.embedded.throwaway import start_throwaway_services

    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder), settings={}) as services,
    ):
        services.create_database("parley")
        path = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        settings = {"DJANGO_SETTINGS_MODULE": "parley.config.settings.local", "PARLEY_LOG_LEVEL": "WARNING"}
        environment = {**os.environ, **services.environment("parley"), **settings, "PYTHONPATH": path}
        environment["PARLEY_DATA_DIR"] = folder
        command = [sys.executable, "-m", "benchmarks.usage", services.admin_url]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
    note = f"{LINES:,} lines in {DAYS} days of one tenant; reference: the ledger itself"
    yield Figure.of_runs("usage.page", "ms", found["page"], references=found["ledger"], note=note)
    yield Figure("usage.roll_up", found["roll_up"], "s", note=note)


def main() -> None:
    """Fill a database and ask it; the samples as JSON in the last line."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from apps.gateway.services.rollups import roll_up
    from apps.tenants.services.tenants import create_tenant
    from parley.tenancy import use_tenant

    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    owner = get_user_model().objects.create_user(email="bench@example.com", password=None)
    tenant_id = create_tenant(name="Bench", owner=owner).id
    _generate(sys.argv[1], tenant_id)
    ledger = [_ask(tenant_id) for _ in range(RUNS)]
    started = time.perf_counter()
    with use_tenant(tenant_id):
        roll_up()
    rolled = time.perf_counter() - started
    print(json.dumps({"ledger": ledger, "page": [_ask(tenant_id) for _ in range(RUNS)], "roll_up": rolled}))


def _generate(admin_url: str, tenant_id: UUID) -> None:
    import psycopg
    from psycopg.conninfo import make_conninfo

    from apps.gateway.models import Budget
    from parley.tenancy import tenant_tx

    with tenant_tx(tenant_id):
        budget_id = Budget.objects.values_list("id", flat=True).get()
    values = {"tenant": tenant_id, "budget": budget_id, "lines": LINES, "seconds": DAYS * 86_400}
    with psycopg.connect(make_conninfo(admin_url, dbname="parley"), autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        admin.execute(_GENERATE, values)
        admin.execute("VACUUM ANALYZE gateway_usageentry")


def _ask(tenant_id: UUID) -> float:
    """Milliseconds for the numbers of the page: ninety days by day and model."""
    from datetime import timedelta

    from django.utils import timezone

    from apps.gateway.selectors import sum_usage
    from parley.tenancy import tenant_tx

    now = timezone.now()
    started = time.perf_counter()
    with tenant_tx(tenant_id):
        sum_usage(since=now - timedelta(days=DAYS), until=now, time_zone="UTC", by="model")
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
