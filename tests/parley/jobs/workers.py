"""Real worker processes on a database of their own, for tests and benchmarks that kill them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import redis

ROOT = Path(__file__).resolve().parents[3]
T = TypeVar("T")

_EFFECT = """
CREATE TABLE effect (job_id uuid, attempt integer, at timestamptz DEFAULT clock_timestamp());
GRANT SELECT, INSERT ON effect TO app_rw;
"""
_TENANT = """
INSERT INTO tenants_tenant (id, slug, name, time_zone, is_demo, created_at) VALUES (%s, %s, %s, 'UTC', false, now())
"""
_JOBS = """
INSERT INTO jobs_job (id, tenant_id, created_at, kind, job_class, arguments, idempotency_key, state, attempt, tries,
    max_tries, run_after, worker, stage, done_units, total_units, last_error, crash_signature)
SELECT uuidv7(), %s, clock_timestamp(), %s, 'bulk', jsonb_build_object('ms', %s::int), '', 'queued', 0, 0, %s,
    now(), '', '', 0, 0, '', ''
FROM generate_series(1, %s)
"""


class Workers:
    """Starts, kills and ends workers, and looks at what they did as the database's superuser."""

    def __init__(self, *, admin_url: str, valkey_url: str, environment: Mapping[str, str], folder: Path) -> None:
        self._admin_url = admin_url
        self._valkey_url = valkey_url
        self._folder = folder
        self.environment = {
            **environment,
            "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
            "VALKEY_URL": valkey_url,
            "PARLEY_DATA_DIR": str(folder),
            "PARLEY_FORBID_REMOTE_MODELS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.execute(_EFFECT)

    # -- processes --------------------------------------------------------------------------------------
    def start(self, name: str, *, slots: int = 1, queues: str = "jobs,work.interactive,work.bulk") -> None:
        alone = ["--without-mingle", "--without-gossip", "--without-heartbeat"]
        kinds = ["-I", "tests.parley.jobs.work", "-Q", queues]
        named = ["--concurrency", str(slots), "--hostname", f"{name}@tests", "--loglevel", "INFO"]
        self._start(name, "worker", *alone, *kinds, *named)

    def start_beat(self) -> None:
        self._start("beat", "beat", "--schedule", str(self._folder / "schedule"), "--pidfile=")

    def children(self) -> list[psutil.Process]:
        """The processes that run jobs."""
        found = []
        for name, process in self.running.items():
            if name != "beat":
                with contextlib.suppress(psutil.NoSuchProcess):
                    found += psutil.Process(process.pid).children()
        return found

    def kill_one_at_work(self, dice: random.Random) -> bool:
        """SIGKILL to a process that runs a job now; its main process starts another. False when none does."""
        rows = self.execute("SELECT worker FROM jobs_job WHERE state = 'running' AND lease_until > now()")
        busy = {int(worker.rpartition(":")[2]) for (worker,) in rows}
        at_work = [child for child in self.children() if child.pid in busy]
        if at_work:
            with contextlib.suppress(psutil.NoSuchProcess):
                dice.choice(at_work).kill()
        return bool(at_work)

    def kill(self, name: str) -> None:
        """SIGKILL to a worker with all its children."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def end(self, name: str, *, within: float) -> float:
        """SIGTERM to a worker's main process; returns how many seconds it took to end."""
        process = self.running.pop(name)
        started = time.monotonic()
        process.terminate()
        process.wait(within)
        return time.monotonic() - started

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def flush(self) -> None:
        """The broker forgets everything."""
        with redis.Redis.from_url(self._valkey_url) as broker:
            broker.flushdb()

    def waiting(self, queue: str) -> int:
        """Messages that no worker has taken."""
        with redis.Redis.from_url(self._valkey_url) as broker:
            return int(broker.llen(f"celery:{queue}"))

    # -- rows -------------------------------------------------------------------------------------------
    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def tenant(self) -> uuid.UUID:
        tenant_id = uuid.uuid4()
        self.execute(_TENANT, tenant_id, f"t-{tenant_id}", "Tenant")
        return tenant_id

    def submit(self, kind: str, tenant_id: uuid.UUID, *, count: int = 1, ms: int = 0, max_tries: int = 9) -> None:
        """Rows as `submit` writes them, by a process that died before it could tell anybody (C-03)."""
        self.execute(_JOBS, tenant_id, kind, ms, max_tries, count)

    def count(self, kind: str = "%") -> dict[str, int]:
        found = self.execute("SELECT state, count(*) FROM jobs_job WHERE kind LIKE %s GROUP BY state", kind)
        return {str(state): int(jobs) for state, jobs in found}

    def until_ended(self, *, within: float, kind: str = "%") -> dict[str, int]:
        """The states of all jobs once none is open. Fails after `within` seconds."""

        def ended() -> dict[str, int] | None:
            counts = self.count(kind)
            return None if counts.keys() & {"queued", "running"} else counts

        return until(ended, within=within)

    def _start(self, name: str, command: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "parley.config.celery", command, *arguments],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def until(ask: Callable[[], T | None], *, within: float, every: float = 0.1) -> T:
    """The first answer that is not empty. Fails after `within` seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(every)
    raise AssertionError(f"Nothing after {within} seconds; the last answer was {ask()!r}.")


@contextmanager
def killing_every(
    seconds: float, workers: Workers, dice: random.Random, *, most: int | None = None
) -> Iterator[list[float]]:
    """A random process that runs a job dies in this rhythm while the block runs; the list tells when.

    After `most` kills it is over: where starting takes as long as the rhythm, nothing else would ever end.
    """
    import threading

    stop = threading.Event()
    kills: list[float] = []

    def kill() -> None:
        while not stop.wait(seconds) and (most is None or len(kills) < most):
            if workers.kill_one_at_work(dice):
                kills.append(time.monotonic())

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield kills
    finally:
        stop.set()
        thread.join()
