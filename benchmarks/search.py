"""Does every tenant get its true neighbours, and how soon: many tenants of very different size in one index.

`PARLEY_BENCH_CHUNKS` sets the size of the shared set (default 40,000: one run stays below two minutes). The
shipped `find_by_vector` runs as the restricted role; the reference is an HNSW search over everything,
unfiltered, with pgvector's default settings, on a connection without row-level security.
"""

from __future__ import annotations

import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
CHUNKS = int(os.environ.get("PARLEY_BENCH_CHUNKS", "40000"))
# One tenant with much of everything, some of middling size, and the many small ones that suffer elsewhere.
SHARES = (0.40, 0.20, 0.12, 0.08, 0.05, 0.03, 0.02, 0.01, 0.01, 0.005, 0.001)
SMALL_TENANTS = 20
DIMENSIONS = 384
QUESTIONS = 40
ROUNDS = 5
LIMIT = 10

Matrix = npt.NDArray[np.float32]


def run() -> Iterator[Figure]:
    """`search.recall10_min_tenant` and `search.p50_ratio_min_tenant`, each of the tenant that fares worst."""
    from parley.embedded.throwaway import start_throwaway_services

    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder)) as services,
    ):
        services.create_database("bench")
        environment = os.environ | services.environment("bench")
        environment |= {
            "PARLEY_BENCH_ADMIN_URL": psycopg.conninfo.make_conninfo(services.admin_url, dbname="bench"),
            "PARLEY_DATA_DIR": folder,
            "DJANGO_SETTINGS_MODULE": "parley.config.settings.local",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        }
        command = [sys.executable, "-m", "benchmarks.search"]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    yield from _figures(json.loads(done.stdout))


def _figures(tenants: list[dict[str, Any]]) -> Iterator[Figure]:
    worst = min(tenants, key=lambda tenant: tenant["recall"])
    sizes = ", ".join(f"{t['rows']}: {t['recall']:.3f}" for t in tenants)
    note = f"{CHUNKS} chunks, {len(tenants)} tenants; recall by number of chunks: {sizes}"
    yield Figure("search.recall10_min_tenant", worst["recall"], "share", reference=0.99, note=note)
    slowest = max(tenants, key=lambda tenant: statistics.median(tenant["ms"]) / statistics.median(tenant["reference"]))
    times = ", ".join(f"{t['rows']}: {statistics.median(t['ms']):.1f} ms" for t in tenants)
    yield Figure.of_runs(
        "search.p50_ratio_min_tenant",
        "ms",
        slowest["ms"],
        references=slowest["reference"],
        note=f"tenant of {slowest['rows']} chunks; p50 by number of chunks: {times}",
    )


# -- the child, beside throw-away services ------------------------------------------


def main() -> None:
    """Fill the database, measure each tenant, print the measurements as JSON."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    sizes = [max(1, int(share * CHUNKS)) for share in SHARES] + [5] * SMALL_TENANTS
    sets = [_vectors(seed, size) for seed, size in enumerate(sizes)]
    with psycopg.connect(os.environ["PARLEY_BENCH_ADMIN_URL"], autocommit=True) as admin:
        owners = _fill(admin, sets)
        questions = _questions(sets)
        # One small tenant speaks for the twenty.
        print(json.dumps([_measure(admin, *owner, questions) for owner in owners[: len(SHARES) + 1]]))


def _vectors(seed: int, rows: int) -> Matrix:
    """Unit vectors of 32 inner dimensions in clusters, as texts on a few subjects lie, and a little noise."""
    random = np.random.default_rng(seed)
    space = np.random.default_rng(0).normal(size=(32, DIMENSIONS))
    subjects = random.normal(size=(12, 32))
    inner = subjects[random.integers(0, 12, rows)] + 0.7 * random.normal(size=(rows, 32))
    made = inner @ space + 0.5 * random.normal(size=(rows, DIMENSIONS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def _questions(sets: Sequence[Matrix]) -> Matrix:
    """Half of them near the asker's own subjects is what happens; here all tenants ask everybody's questions."""
    random = np.random.default_rng(99)
    picked = [rows[random.integers(0, len(rows))] for rows in (sets[n % len(sets)] for n in range(QUESTIONS))]
    made = np.array(picked) + 0.02 * random.normal(size=(QUESTIONS, DIMENSIONS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


Owner = tuple[UUID, UUID, list[UUID], Matrix]


def _fill(admin: psycopg.Connection[Any], sets: Sequence[Matrix]) -> list[Owner]:
    """Vector rows of all tenants, mixed as they would arrive; the index is built afterwards, which is faster."""
    from django.contrib.auth import get_user_model

    from apps.knowledge.services.knowledge_bases import create_knowledge_base
    from apps.tenants.services.tenants import create_tenant
    from parley.db.ids import uuid7
    from parley.tenancy import tenant_tx

    admin.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
    (definition,) = admin.execute(
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'knowledge_chunkvector_hnsw'"
    ).fetchone() or ("",)
    admin.execute("DROP INDEX knowledge_chunkvector_hnsw")
    user = get_user_model().objects.create_user(email="bench@example.com", password=None)
    owners: list[Owner] = []
    for number, rows in enumerate(sets):
        tenant = create_tenant(name=f"Tenant {number}", owner=user)
        with tenant_tx(tenant.id):
            base = create_knowledge_base(name="Everything")
        owners.append((tenant.id, base.id, [uuid7() for _ in rows], rows))
    order = np.random.default_rng(1).permutation([n for n, rows in enumerate(sets) for _ in rows])
    taken = [0] * len(sets)
    columns = "id, tenant_id, created_at, knowledge_base_id, document_id, chunk_id, embedding"
    with (
        admin.cursor() as cursor,
        cursor.copy(f"COPY knowledge_chunkvector ({columns}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0))
        for number in order:
            tenant_id, base_id, ids, rows = owners[number]
            copy.write(_binary_row(ids[taken[number]], tenant_id, base_id, rows[taken[number]]))
            taken[number] += 1
        copy.write(struct.pack(">h", -1))
    admin.execute(definition)
    admin.execute("VACUUM ANALYZE knowledge_chunkvector")
    return owners


def _binary_row(chunk_id: UUID, tenant_id: UUID, base_id: UUID, vector: npt.NDArray[np.float32]) -> bytes:
    """One tuple in PostgreSQL's binary COPY format."""
    halfvec = struct.pack(">hh", DIMENSIONS, 0) + vector.astype(">f2").tobytes()
    fields = (
        chunk_id.bytes,
        tenant_id.bytes,
        struct.pack(">q", 0),
        base_id.bytes,
        base_id.bytes,
        chunk_id.bytes,
        halfvec,
    )
    return struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(field)) + field for field in fields)


def _measure(
    admin: psycopg.Connection[Any], tenant_id: UUID, base_id: UUID, ids: list[UUID], rows: Matrix, questions: Matrix
) -> dict[str, Any]:
    """Recall against brute force, and p50 of each round beside the reference's, alternating."""
    from apps.knowledge.retrieval.literals import halfvec_literal
    from apps.knowledge.retrieval.region import Region
    from apps.knowledge.retrieval.vectors import find_by_vector
    from parley.tenancy import tenant_tx

    literals = [halfvec_literal(question.tolist()) for question in questions]
    reference_sql = (
        "SELECT chunk_id, embedding <#> %(v)s::halfvec(384) FROM knowledge_chunkvector "
        "ORDER BY embedding <#> %(v)s::halfvec(384) LIMIT 10"
    )
    region = Region((base_id,), total=len(rows))
    stored = rows.astype(np.float16).astype(np.float32)
    found = wanted = 0
    own, reference = [], []
    with tenant_tx(tenant_id):

        def search(literal: str) -> list[Any]:
            return find_by_vector(region=region, vector=literal, limit=LIMIT)

        for literal, question in zip(literals, questions, strict=True):
            true = {ids[n] for n in np.argsort(-(stored @ question))[:LIMIT]}
            hits = {hit.chunk_id for hit in search(literal)}
            found, wanted = found + len(hits & true), wanted + len(true)
        for _ in range(ROUNDS):
            own.append(_p50(search, literals))
            reference.append(_p50(lambda literal: admin.execute(reference_sql, {"v": literal}).fetchall(), literals))
    return {"rows": len(rows), "recall": found / wanted, "ms": own, "reference": reference}


def _p50(call: Callable[[str], object], literals: Sequence[str]) -> float:
    times = []
    for literal in literals:
        started = time.perf_counter()
        call(literal)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
