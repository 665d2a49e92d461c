"""What vector indexes cost and find: none, one for all tenants, one for each large tenant, one for each partition.

Four tenants have 60, 30, 9 and 1 % of the rows. `PARLEY_BENCH_SIZES` sets the sizes (default 10000,30000,100000).
Graphs are built by one process with the product's settings. A tenant's own graph is a partial index, as the product
makes it; tenants below 3,000 rows have none and are compared one by one. Memory is the building process's own, at
its highest, without the server's shared buffers. Latency is the median over 40 questions of the tenant with 9 %.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from benchmarks.figures import Figure
from benchmarks.mixture import DIMENSIONS, HalfMatrix, Matrix, embedded_subjects, question_near, tenant_vectors

SIZES = [int(size) for size in os.environ.get("PARLEY_BENCH_SIZES", "10000,30000,100000").split(",")]
SHARES = (0.60, 0.30, 0.09, 0.01)
MEASURED = 2
QUESTIONS = 40
LIMIT = 10
EF_SEARCH = 100
GRAPH_FROM = 3_000
MEMORY = {"shared_buffers": "4GB", "maintenance_work_mem": "4GB", "max_wal_size": "8GB"}

_GRAPH = "USING hnsw (embedding halfvec_ip_ops) WITH (m = 16, ef_construction = 200)"
_NEAREST = """
SELECT number FROM rows WHERE tenant = %(tenant)s ORDER BY embedding <#> %(vector)s::halfvec LIMIT %(limit)s
"""
_NEAREST_OF_ALL = "SELECT number FROM rows ORDER BY embedding <#> %(vector)s::halfvec LIMIT %(limit)s"

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to lay out the same rows: statements that make its table, and those that build its graphs."""

    name: str
    table: tuple[str, ...]
    graphs: tuple[str, ...]


def run() -> Iterator[Figure]:
    """`search.graphs.SIZE.LAYOUT.build_s`, `.mb`, `.build_mb`, `.p50_ms` (reference: unfiltered HNSW) and `.recall`."""
    from parley.embedded.postgres import FORGETFUL
    from parley.embedded.throwaway import start_throwaway_services

    subjects = embedded_subjects()
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder), settings=FORGETFUL | MEMORY) as services,
    ):
        services.create_database("graphs")
        url = psycopg.conninfo.make_conninfo(services.admin_url, dbname="graphs")
        for size in SIZES:
            tenants = [tenant_vectors(subjects, seed, max(1, int(size * share))) for seed, share in enumerate(SHARES)]
            with psycopg.connect(url, autocommit=True) as connection:
                yield from _compare(connection, size, tenants)


def _layouts(tenants: Sequence[HalfMatrix]) -> Iterator[Layout]:
    numbers = range(len(tenants))
    columns = f"(tenant int NOT NULL, number int NOT NULL, embedding halfvec({DIMENSIONS}) NOT NULL)"
    plain = (f"CREATE TABLE rows {columns}", "ALTER TABLE rows ALTER embedding SET STORAGE PLAIN")
    by_tenant = "CREATE INDEX ON rows (tenant)"
    large = [tenant for tenant in numbers if len(tenants[tenant]) >= GRAPH_FROM]
    parts = tuple(f"CREATE TABLE rows{n} PARTITION OF rows FOR VALUES IN ({n})" for n in numbers)
    yield Layout("exact", plain, (by_tenant,))
    yield Layout("shared", plain, (by_tenant, f"CREATE INDEX ON rows {_GRAPH}"))
    yield Layout("own", plain, (by_tenant, *(f"CREATE INDEX ON rows {_GRAPH} WHERE tenant = {n}" for n in large)))
    yield Layout(
        "partitioned",
        (f"CREATE TABLE rows {columns} PARTITION BY LIST (tenant)", *parts),
        tuple(f"CREATE INDEX ON rows{n} {_GRAPH}" for n in large),
    )


def _compare(connection: Connection, size: int, tenants: Sequence[HalfMatrix]) -> Iterator[Figure]:
    asked = _questions(tenants[MEASURED])
    true = [set(np.argsort(-(tenants[MEASURED].astype(np.float32) @ vector))[:LIMIT].tolist()) for vector in asked]
    unfiltered: float | None = None
    # The shared graph first: an unfiltered search of it is what the others are compared with.
    for layout in sorted(_layouts(tenants), key=lambda layout: layout.name != "shared"):
        connection.execute("DROP TABLE IF EXISTS rows")
        for statement in layout.table:
            connection.execute(statement)
        _fill(connection, tenants)
        started = time.perf_counter()
        connection.execute("SET max_parallel_maintenance_workers = 0")  # its memory is then its own
        with _highest_memory(connection.info.backend_pid) as memory:
            for statement in layout.graphs:
                connection.execute(statement)
        build_seconds = time.perf_counter() - started
        connection.execute("VACUUM ANALYZE rows")
        if layout.name == "shared":
            unfiltered = _median_ms(lambda vector: _ask(connection, _NEAREST_OF_ALL, vector), asked)
        found = [_ask(connection, _NEAREST, vector) for vector in asked]
        p50 = _median_ms(lambda vector: _ask(connection, _NEAREST, vector), asked)
        recall = sum(len(hits & wanted) for hits, wanted in zip(found, true, strict=True)) / (LIMIT * len(asked))
        name = f"search.graphs.{size // 1000}k.{layout.name}"
        yield Figure(f"{name}.build_s", build_seconds, "s")
        yield Figure(f"{name}.mb", _index_size(connection) / 1e6, "MB", note="all indexes")
        yield Figure(f"{name}.build_mb", max(memory, default=0.0), "MB")
        ratio = p50 / unfiltered if unfiltered else None
        yield Figure(f"{name}.p50_ms", p50, "ms", reference=unfiltered, ratio=ratio, runs=len(asked))
        yield Figure(f"{name}.recall", recall, "share", note=f"tenant of {len(tenants[MEASURED])} rows")


def _questions(vectors: HalfMatrix) -> list[Matrix]:
    random = np.random.default_rng(9)
    return [question_near(vectors, random, int(place)) for place in random.integers(0, len(vectors), QUESTIONS)]


def _fill(connection: Connection, tenants: Sequence[HalfMatrix]) -> None:
    """In random order, as documents of many tenants arrive."""
    order = [(tenant, number) for tenant, vectors in enumerate(tenants) for number in range(len(vectors))]
    np.random.default_rng(3).shuffle(order)
    head = DIMENSIONS.to_bytes(2, "big") + b"\0\0"
    big_endian = [vectors.astype(">f2") for vectors in tenants]
    with connection.cursor() as cursor, cursor.copy("COPY rows FROM STDIN (FORMAT binary)") as copy:
        # The signature, flags and extension of PostgreSQL's binary COPY format; then rows of length-prefixed fields.
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for tenant, number in order:
            fields = (int(tenant).to_bytes(4, "big"), int(number).to_bytes(4, "big"))
            vector = head + big_endian[tenant][number].tobytes()
            written = b"".join(len(field).to_bytes(4, "big") + field for field in (*fields, vector))
            copy.write((3).to_bytes(2, "big") + written)
        copy.write(b"\xff\xff")


def _ask(connection: Connection, statement: str, vector: Matrix) -> set[int]:
    from apps.knowledge.retrieval.literals import halfvec_literal

    values = {"vector": halfvec_literal(vector.tolist()), "limit": LIMIT, "tenant": MEASURED}
    with connection.transaction():
        connection.execute(
            f"SET LOCAL hnsw.iterative_scan = 'strict_order'; SET LOCAL hnsw.ef_search = {EF_SEARCH}; "
            "SET LOCAL plan_cache_mode = 'force_custom_plan'"
        )
        return {number for (number,) in connection.execute(statement, values).fetchall()}


def _median_ms(ask: Callable[[Matrix], object], asked: Sequence[Matrix]) -> float:
    times = []
    for vector in asked:
        ask(vector)  # into memory
    for vector in asked:
        started = time.perf_counter()
        ask(vector)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _index_size(connection: Connection) -> float:
    row = connection.execute(
        "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace"
    ).fetchone()
    return float(row[0] or 0) if row else 0.0


@contextmanager
def _highest_memory(pid: int) -> Iterator[list[float]]:
    """Samples of a process's own memory in MB while the block runs (Linux)."""
    samples: list[float] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            samples.append(int(fields["RssAnon"].split()[0]) * 1024 / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
