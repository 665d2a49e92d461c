"""How many jobs a worker gets through, how long a newcomer waits, and whether kills lose any (C-01, C-02, C-06).

The reference of the first figure is what Celery alone does on the same worker in the same run: the same number of
empty tasks from a queue, with nothing written down.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure
from tests.parley.jobs.workers import Workers, killing_every

ROOT = Path(__file__).resolve().parents[1]
SLOTS = 2
EMPTY_JOBS = 1_000
NEWCOMERS = 20
KILL_EVERY, KILL_JOBS, KILL_MS = 2.0, 1_000, 150
# Publishes from a process of its own, as a web process would.
_PLAIN = """
import sys, parley.config.celery
from celery import current_app
for _ in range(int(sys.argv[1])):
    current_app.send_task("tests.plain", queue="jobs")
"""


def run() -> Iterator[Figure]:
    """`jobs.tasks_per_second`, `jobs.newcomer_wait_p95` (s), `jobs.jain`, `jobs.lost_or_doubled`."""
    sys.path.insert(0, str(ROOT / "platform"))
    with _workers() as workers:
        workers.start_beat()
        workers.start("one", slots=SLOTS)
        workers.submit("tests.effect", workers.tenant())
        workers.until_ended(within=90)
        yield _throughput(workers)
        yield from _fairness(workers)
        yield _kills(workers)


def _throughput(workers: Workers) -> Figure:
    ours, plain = [], []
    for _ in range(3):
        workers.execute("DELETE FROM jobs_job")
        workers.submit("tests.empty", workers.tenant(), count=EMPTY_JOBS)
        workers.until_ended(within=120)
        ((seconds,),) = workers.execute("SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM jobs_job")
        ours.append(EMPTY_JOBS / float(seconds))
        plain.append(_plain(workers))
    note = f"{EMPTY_JOBS} empty jobs on {SLOTS} slots; reference: empty Celery tasks, nothing stored"
    return Figure.of_runs("jobs.tasks_per_second", "1/s", ours, references=plain, note=note)


def _plain(workers: Workers) -> float:
    """Empty tasks a second, counted while the worker empties a queue that was filled while it was away."""
    workers.end("one", within=60)
    subprocess.run([sys.executable, "-c", _PLAIN, str(EMPTY_JOBS)], env=workers.environment, cwd=ROOT, check=True)
    workers.start("one", slots=SLOTS)
    while (waiting := workers.waiting("jobs")) >= EMPTY_JOBS:
        time.sleep(0.002)
    started = time.monotonic()
    while workers.waiting("jobs"):
        time.sleep(0.002)
    return float(waiting / (time.monotonic() - started))


def _fairness(workers: Workers) -> Iterator[Figure]:
    workers.execute("DELETE FROM jobs_job")
    workers.submit("tests.effect", workers.tenant(), count=10_000, ms=500)
    time.sleep(1)
    for _ in range(NEWCOMERS):
        workers.submit("tests.effect", workers.tenant(), ms=10)
        time.sleep(1)
    waited = "SELECT extract(epoch FROM started_at - created_at) FROM jobs_job WHERE arguments->>'ms' = '10'"
    waits = sorted(float(seconds) for (seconds,) in workers.execute(waited) if seconds is not None)
    if len(waits) < NEWCOMERS - 1:
        raise RuntimeError(f"Only {len(waits)} of {NEWCOMERS} newcomers were served.")
    note = f"{NEWCOMERS} tenants with one job each behind 10,000 jobs of 0.5 s of another, {SLOTS} slots; bar 5 s"
    yield Figure("jobs.newcomer_wait_p95", statistics.quantiles(waits, n=20)[-1], "s", runs=NEWCOMERS, note=note)
    workers.execute("DELETE FROM jobs_job WHERE state = 'queued'")
    workers.until_ended(within=30)
    workers.execute("DELETE FROM jobs_job")
    for _ in range(10):
        workers.submit("tests.effect", workers.tenant(), count=300, ms=20)
    time.sleep(10)
    done = "SELECT count(*) FILTER (WHERE state = 'done') FROM jobs_job GROUP BY tenant_id"
    shares = [int(jobs) for (jobs,) in workers.execute(done)]
    workers.execute("DELETE FROM jobs_job WHERE state = 'queued'")
    jain = sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
    yield Figure("jobs.jain", jain, "index", note="ten equal tenants after ten seconds; bar 0.95")


def _kills(workers: Workers) -> Figure:
    workers.until_ended(within=30)
    workers.execute("DELETE FROM jobs_job")
    workers.execute("DELETE FROM effect")
    for _ in range(4):
        workers.submit("tests.effect", workers.tenant(), count=KILL_JOBS // 4, ms=KILL_MS)
    with killing_every(KILL_EVERY, workers, random.Random(3)) as kills:
        time.sleep(30)
        workers.flush()
        workers.until_ended(within=600)
    ((effects, distinct),) = workers.execute("SELECT count(*), count(DISTINCT job_id) FROM effect")
    wrong = (KILL_JOBS - distinct) + (effects - distinct)
    note = f"{KILL_JOBS} jobs, {len(kills)} kills of a random process, every {KILL_EVERY:.0f} s, one flush"
    return Figure("jobs.lost_or_doubled", float(wrong), "jobs", reference=0.0, note=note)


@contextmanager
def _workers() -> Iterator[Workers]:
    from psycopg.conninfo import make_conninfo

    from parley.embedded.throwaway import start_throwaway_services

    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-", ignore_cleanup_errors=True) as folder,
        start_throwaway_services(Path(folder), settings={}) as services,
    ):
        services.create_database("parley")
        environment = {**os.environ, **services.environment("parley"), "PARLEY_JOB_LEASE_SECONDS": "5"}
        environment["DJANGO_SETTINGS_MODULE"] = "parley.config.settings.local"
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "platform"), str(ROOT)])
        migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
        subprocess.run(migrate, env=environment, check=True)
        workers = Workers(
            admin_url=make_conninfo(services.admin_url, dbname="parley"),
            valkey_url=services.valkey_url,
            environment=environment,
            folder=Path(folder),
        )
        try:
            yield workers
        finally:
            workers.stop()
