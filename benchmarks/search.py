"""Does every tenant get its true neighbours, and how soon: 200 tenants of very different size in the same tables.

`PARLEY_BENCH_CHUNKS` sets the size of the whole (default 40,000: a few minutes; 1,000,000 is the size of the goals
and takes an hour or two, most of it the shared graph that is only there to be compared with;
`PARLEY_BENCH_SHARED=0` leaves that out). `PARLEY_BENCH_KEEP` names a folder to build it all in, which the next run
measures again as it is. Sizes fall as 1/rank: the first tenant has a sixth, the last 1/1,176.

Vectors lie as those of texts do (`mixture`). Words fall as 1/rank, too. Everything is measured as the restricted
role, through the product's own search, without the embedding of the question.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from benchmarks.figures import Figure
from benchmarks.mixture import (
    CHUNKS_A_DOCUMENT,
    DIMENSIONS,
    HalfMatrix,
    Matrix,
    embedded_subjects,
    question_near,
    tenant_vectors,
)

ROOT = Path(__file__).resolve().parents[1]
CHUNKS = int(os.environ.get("PARLEY_BENCH_CHUNKS", "40000"))
KEPT = os.environ.get("PARLEY_BENCH_KEEP", "")
HAS_SHARED = os.environ.get("PARLEY_BENCH_SHARED", "1") == "1"
TENANTS = 200
WORDS_A_CHUNK = 60
VOCABULARY = 40_000
QUESTIONS = 20
ROUNDS = 5
LIMIT = 10
MEMORY = {"shared_buffers": "4GB", "maintenance_work_mem": "2GB", "max_wal_size": "8GB", "work_mem": "16MB"}

Numbers = npt.NDArray[np.int64]


def run() -> Iterator[Figure]:
    """`search.recall10_min_tenant`, `search.p50_ratio_min_tenant` and `search.p95_1m`, and what they cost."""
    from parley.embedded.postgres import FORGETFUL
    from parley.embedded.throwaway import start_throwaway_services

    with (
        nullcontext(KEPT) if KEPT else tempfile.TemporaryDirectory(prefix="parley-bench-") as folder,
        start_throwaway_services(Path(folder), settings=FORGETFUL | MEMORY) as services,
    ):
        if not _owners_file(folder).exists():
            services.drop_database("bench")
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
    yield from _figures(json.loads(done.stdout.splitlines()[-1]))


def _figures(measured: dict[str, Any]) -> Iterator[Figure]:
    costs = measured["costs"]
    worst = min(measured["tenants"], key=lambda tenant: tenant["recall"])
    tenants = [tenant for tenant in measured["tenants"] if tenant["ms"]]
    yield Figure(
        "search.recall10_min_tenant",
        worst["recall"],
        "share",
        reference=0.99,
        note=f"{CHUNKS} chunks, {TENANTS} tenants; the worst has {worst['rows']} chunks",
    )
    if HAS_SHARED:
        slowest = max(tenants, key=lambda tenant: statistics.median(tenant["ms"]))
        small = tenants[len(tenants) // 2]
        for name, tenant in (("search.p50_ratio_min_tenant", small), ("search.p50_ratio_slowest_tenant", slowest)):
            yield Figure.of_runs(
                name,
                "ms",
                tenant["ms"],
                references=measured["shared_ms"],
                note=f"vectors alone, tenant of {tenant['rows']} chunks; reference: unfiltered HNSW over everything",
            )
    whole = [ms for tenant in tenants for ms in tenant["search_ms"]]
    slow = max(tenants, key=lambda tenant: _percentile(tenant["search_ms"], 95))
    yield Figure(
        "search.p95_1m" if CHUNKS >= 1_000_000 else f"search.p95_{CHUNKS // 1000}k",
        _percentile(whole, 95),
        "ms",
        reference=25.0,
        runs=len(whole),
        note=(
            f"words and vectors through the product's search, {len(tenants)} tenants alike; "
            f"p50 {statistics.median(whole):.1f}; "
            f"slowest tenant ({slow['rows']} chunks) p95 {_percentile(slow['search_ms'], 95):.1f}, of which words "
            f"p50 {statistics.median(slow['words_ms']):.1f}, vectors {statistics.median(slow['ms']):.1f}"
        ),
    )
    for name, value in costs.items():
        yield Figure(f"search.cost.{name}", value, name.rsplit("_", 1)[-1], note=f"{CHUNKS} chunks")


def _percentile(values: Sequence[float], percent: int) -> float:
    return float(np.percentile(np.array(values), percent))


# -- the child, beside throw-away services ------------------------------------------


@dataclass
class Owner:
    """A tenant with its base, its vectors and the words of its chunks."""

    tenant_id: UUID
    base_id: UUID
    index_id: UUID
    vectors: HalfMatrix
    words: Numbers
    chunk_ids: list[UUID] = field(default_factory=list)


def _owners_file(folder: str) -> Path:
    """What is known of the tenants in a folder; it is there when everything is built."""
    return Path(folder) / "owners.pickle"


def main() -> None:
    """Fill the database, build what the product builds, measure each tenant, print the measurements as JSON."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True, stdout=sys.stderr)
    file = _owners_file(os.environ["PARLEY_DATA_DIR"])
    with psycopg.connect(os.environ["PARLEY_BENCH_ADMIN_URL"], autocommit=True) as admin:
        if not file.exists():
            file.write_bytes(pickle.dumps(_build(admin)))
            admin.execute("CHECKPOINT")
        owners, costs = pickle.loads(file.read_bytes())
        _let_shared_be_used(admin, is_used=False)
        measured = [_measure(owner, number) for number, owner in enumerate(owners)]
        shared_ms = _shared(admin, owners) if HAS_SHARED else []
    print(json.dumps({"tenants": measured, "shared_ms": shared_ms, "costs": costs}))


def _build(admin: psycopg.Connection[Any]) -> tuple[list[Owner], dict[str, float]]:
    """Rows and graphs of all tenants, and what they cost."""
    from apps.knowledge.services.search_maintenance import maintain_search_indexes

    costs: dict[str, float] = {}
    owners = _fill(admin)
    _say("filled")
    admin.execute("VACUUM ANALYZE")
    costs["vectors_mb"] = _size(admin, "knowledge_chunkvector") / 1e6
    costs["words_mb"] = (_size(admin, "knowledge_wordpostings") + _size(admin, "knowledge_chunkterms")) / 1e6
    started = time.perf_counter()
    _say(str(maintain_search_indexes()))
    costs["own_graphs_seconds"] = time.perf_counter() - started
    rows = admin.execute("SELECT row_count, ef_search, recall, size_bytes, build_seconds FROM knowledge_vectorgraph")
    graphs = rows.fetchall()
    costs["own_graphs_build_seconds"] = sum(graph[4] or 0 for graph in graphs)
    costs["own_graphs_mb"] = sum(graph[3] for graph in graphs) / 1e6
    efforts, recalls = {graph[1] for graph in graphs}, [graph[2] for graph in graphs]
    _say(f"{len(graphs)} graphs; ef_search {sorted(efforts)}, least recall {min(recalls, default=1.0):.3f}")
    if HAS_SHARED:
        costs |= _build_shared(admin)
        _say("shared graph built")
    admin.execute("VACUUM ANALYZE")
    return owners, costs


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _size(admin: psycopg.Connection[Any], table: str) -> int:
    row = admin.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
    return int(row[0]) if row else 0


def _word(number: int) -> str:
    """A made-up word of four letters and more, the same for the same number."""
    letters = ""
    number += 26**3
    while number:
        number, rest = divmod(number, 26)
        letters += chr(97 + rest)
    return letters


def _fill(admin: psycopg.Connection[Any]) -> list[Owner]:
    from django.contrib.auth import get_user_model

    from apps.knowledge.models import SearchIndex
    from apps.knowledge.services.knowledge_bases import create_knowledge_base
    from apps.tenants.services.tenants import create_tenant
    from parley.tenancy import tenant_tx

    subjects = embedded_subjects()
    _say("subjects embedded")
    shares = 1 / np.arange(1, TENANTS + 1)
    sizes = np.maximum(1, (shares / shares.sum() * CHUNKS).astype(int))
    chances = 1 / np.arange(10, VOCABULARY + 10)
    chances /= chances.sum()
    user = get_user_model().objects.create_user(email="bench@example.com", password=None)
    admin.execute("SET session_replication_role = replica")
    owners = []
    for number, rows in enumerate(map(int, sizes)):
        tenant = create_tenant(name=f"Tenant {number}", owner=user)
        with tenant_tx(tenant.id):
            base = create_knowledge_base(name="Everything")
            index_id = SearchIndex.objects.values_list("id", flat=True).get(knowledge_base=base)
        random = np.random.default_rng([8, number])
        words = random.choice(VOCABULARY, size=(rows, WORDS_A_CHUNK), p=chances)
        owner = Owner(tenant.id, base.id, index_id, tenant_vectors(subjects, number, rows), words)
        _write(admin, owner)
        owners.append(owner)
    return owners


def _write(admin: psycopg.Connection[Any], owner: Owner) -> None:
    """The rows of a tenant as its documents arrive: chunks, terms, vectors, and one segment of words for each block."""
    from apps.knowledge.models import Document
    from apps.knowledge.retrieval.literals import halfvec_literal
    from apps.knowledge.retrieval.postings import BLOCK_SIZE, bucket_of, pack_weight
    from parley.db.ids import uuid7
    from parley.tenancy import tenant_tx

    rows = len(owner.vectors)
    documents = [(uuid7(), uuid7()) for _ in range(-(-rows // CHUNKS_A_DOCUMENT))]
    owner.chunk_ids = [uuid7() for _ in range(rows)]
    tenant, index = owner.tenant_id, owner.index_id
    now = "2026-01-01T00:00:00Z"
    with tenant_tx(tenant):
        Document.objects.bulk_create(
            Document(
                id=one,
                knowledge_base_id=owner.base_id,
                name=f"{n}.txt",
                media_type="text/plain",
                size_bytes=1,
                content_hash=f"{n:064d}",
                status="indexed",
                chunk_count=min(CHUNKS_A_DOCUMENT, rows - n * CHUNKS_A_DOCUMENT),
            )
            for n, (one, _) in enumerate(documents)
        )
    _copy(
        admin,
        "knowledge_indexeddocument",
        "id, tenant_id, created_at, search_index_id, document_id, document_version_id, edition, chunk_count, "
        "token_count",
        (
            (uuid7(), tenant, now, index, one, version, 1, min(CHUNKS_A_DOCUMENT, rows - n * CHUNKS_A_DOCUMENT), 1)
            for n, (one, version) in enumerate(documents)
        ),
    )
    weight = bytes([pack_weight(1, WORDS_A_CHUNK)])
    words = {number: _word(int(number)) for number in np.unique(owner.words)}
    texts = (" ".join(words[number] for number in line) for line in owner.words)
    _copy(
        admin,
        "knowledge_chunk",
        "id, tenant_id, created_at, knowledge_base_id, document_id, document_version_id, search_index_id, edition, "
        "ordinal, section, text, file_text, headings, location, token_count, origin, is_enabled, valid_from",
        (
            (owner.chunk_ids[n], tenant, now, owner.base_id, *documents[n // CHUNKS_A_DOCUMENT], index, 1,
             n % CHUNKS_A_DOCUMENT, 0, text, "", "[]", "page 1", 80, "extracted", True, 1)
            for n, text in enumerate(texts)
        ),
    )  # fmt: skip
    _copy(
        admin,
        "knowledge_chunkterms",
        "id, tenant_id, created_at, search_index_id, document_id, chunk_id, number, valid_from",
        (
            (uuid7(), tenant, now, index, documents[n // CHUNKS_A_DOCUMENT][0], chunk_id, n, 1)
            for n, chunk_id in enumerate(owner.chunk_ids)
        ),
    )
    _copy(
        admin,
        "knowledge_chunkvector",
        "id, tenant_id, created_at, search_index_id, document_id, chunk_id, embedding, dimensions, valid_from",
        (
            (uuid7(), tenant, now, index, documents[n // CHUNKS_A_DOCUMENT][0], owner.chunk_ids[n],
             halfvec_literal(vector.tolist()), DIMENSIONS, 1)
            for n, vector in enumerate(owner.vectors)
        ),
    )  # fmt: skip
    for block in range(-(-rows // BLOCK_SIZE)):
        part = owner.words[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]
        segment = uuid7()
        _copy(
            admin,
            "knowledge_wordsegment",
            "id, tenant_id, created_at, search_index_id, block, level, chunk_count, word_count, languages",
            [(segment, tenant, now, index, block, 2, len(part), part.size, "{english}")],
        )
        # Each (word, place) once, by word and then by place.
        pairs = np.unique(part.ravel() * BLOCK_SIZE + np.repeat(np.arange(len(part)), WORDS_A_CHUNK))
        numbers, places = pairs // BLOCK_SIZE, (pairs % BLOCK_SIZE).astype("<u2")
        starts = np.flatnonzero(np.r_[True, numbers[1:] != numbers[:-1]])
        ends = np.r_[starts[1:], len(numbers)]
        _copy(
            admin,
            "knowledge_wordpostings",
            "id, tenant_id, created_at, segment_id, bucket, word, chunk_count, places, weights",
            (
                (uuid7(), tenant, now, segment, bucket_of(words[numbers[a]]), words[numbers[a]], int(b - a),
                 places[a:b].tobytes(), weight * int(b - a))
                for a, b in zip(starts, ends, strict=True)
            ),
        )  # fmt: skip
    admin.execute(
        "UPDATE knowledge_searchindex SET next_number = %s, embedding_model = 'made up', dimensions = %s WHERE id = %s",
        (rows, DIMENSIONS, index),
    )


def _copy(admin: psycopg.Connection[Any], table: str, columns: str, rows: Any) -> None:
    with admin.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _questions(owner: Owner, number: int) -> list[tuple[str, str, Matrix]]:
    """(words, vector literal, vector): some words of a chunk, two of them everybody's, and a direction near it."""
    from apps.knowledge.retrieval.literals import halfvec_literal

    random = np.random.default_rng([9, number])
    asked = []
    for place in random.integers(0, len(owner.vectors), QUESTIONS):
        vector = question_near(owner.vectors, random, place)
        words = [*random.choice(owner.words[place], 5), *random.integers(0, 100, 2)]
        asked.append((" ".join(_word(int(word)) for word in words), halfvec_literal(vector.tolist()), vector))
    return asked


def _is_timed(number: int) -> bool:
    """The ten largest tenants and every tenth of the others; recall is measured for all."""
    return number < 10 or number % 10 == 0


def _measure(owner: Owner, number: int) -> dict[str, Any]:
    from apps.knowledge.retrieval import search
    from apps.knowledge.retrieval.candidates import region_of
    from apps.knowledge.retrieval.vectors import find_by_vector
    from apps.knowledge.retrieval.words import find_by_words
    from parley.tenancy import tenant_tx, use_tenant

    asked = _questions(owner, number)
    ids = np.array([chunk_id.int & (2**62 - 1) for chunk_id in owner.chunk_ids], dtype=np.int64)
    found = wanted = 0
    with tenant_tx(owner.tenant_id):
        region = region_of([owner.base_id])

        def by_vector(question: tuple[str, str, Matrix]) -> list[Any]:
            return find_by_vector(region=region, vector=question[1], limit=LIMIT)

        for question in asked:
            near = (
                owner.vectors.astype(np.float32) @ question[2] if len(ids) < 50_000 else _products(owner, question[2])
            )
            true = set(ids[np.argsort(-near)[:LIMIT]].tolist())
            hits = {hit.chunk_id.int & (2**62 - 1) for hit in by_vector(question)}
            found, wanted = found + len(hits & true), wanted + len(true)
        if not _is_timed(number):
            return {"rows": len(ids), "recall": found / wanted, "ms": []}
        own = [statistics.median(_times(by_vector, asked)) for _ in range(ROUNDS)]
        words = _times(lambda question: find_by_words(region=region, query=question[0], limit=40), asked)
    # The embedding of the question is left out: it is the same for every tenant and measured elsewhere.
    vectors = {question[0]: question[1] for question in asked}
    search._embed = lambda question, wanted: dict.fromkeys(wanted, vectors[question])
    with use_tenant(owner.tenant_id):
        whole = _times(
            lambda question: search.search(knowledge_base_ids=[owner.base_id], query=question[0], limit=8), asked * 2
        )
    return {"rows": len(ids), "recall": found / wanted, "ms": own, "words_ms": words, "search_ms": whole[len(asked) :]}


def _products(owner: Owner, vector: Matrix) -> Matrix:
    """In pieces, so that a million half-floats are not unfolded at once."""
    steps = range(0, len(owner.vectors), 50_000)
    return np.concatenate([owner.vectors[step : step + 50_000].astype(np.float32) @ vector for step in steps])


def _times(call: Callable[[tuple[str, str, Matrix]], object], asked: Sequence[tuple[str, str, Matrix]]) -> list[float]:
    times = []
    for question in asked:
        started = time.perf_counter()
        call(question)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _build_shared(admin: psycopg.Connection[Any]) -> dict[str, float]:
    """One HNSW graph of everything, only to compare with; nothing of the product's meets its conditions."""
    admin.execute("SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 1")
    started = time.perf_counter()
    admin.execute(
        "CREATE INDEX bench_shared ON knowledge_chunkvector USING hnsw ((embedding::halfvec(384)) halfvec_ip_ops)"
    )
    return {
        "shared_graph_build_seconds": time.perf_counter() - started,
        "shared_graph_mb": _size(admin, "bench_shared") / 1e6,
    }


def _let_shared_be_used(admin: psycopg.Connection[Any], *, is_used: bool) -> None:
    """The planner is not to answer the product's questions by the graph that is only there to be compared with."""
    admin.execute("UPDATE pg_index SET indisvalid = %s WHERE indexrelid = to_regclass('bench_shared')", (is_used,))


def _shared(admin: psycopg.Connection[Any], owners: Sequence[Owner]) -> list[float]:
    """p50 of an unfiltered search over everything, by one HNSW graph with pgvector's default settings."""
    _let_shared_be_used(admin, is_used=True)
    asked = [question for number, owner in enumerate(owners[:20]) for question in _questions(owner, number)[:2]]
    nearest = (
        "SELECT chunk_id, (embedding::halfvec(384)) <#> %(v)s::halfvec(384) FROM knowledge_chunkvector "
        "ORDER BY (embedding::halfvec(384)) <#> %(v)s::halfvec(384) LIMIT 10"
    )
    return [
        statistics.median(_times(lambda question: admin.execute(nearest, {"v": question[1]}).fetchall(), asked))
        for _ in range(ROUNDS)
    ]


if __name__ == "__main__":
    main()
