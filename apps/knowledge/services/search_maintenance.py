"""Keeps searching fast as bases grow: HNSW graphs of large indexes, and few segments of words.

Runs in a process of its own that may sign in as the owner of the tables, because nobody else may make indexes;
web and worker cannot. Whatever it has not done yet, searches do without.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import structlog
from django.db import connections

from apps.knowledge.enums import GraphState
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.vectors import GRAPH_FROM, graph_condition, graph_statement
from apps.knowledge.services.word_rows import FAN_OUT, tidy_words
from parley.db.ids import uuid7
from parley.tenancy import use_tenant

log = structlog.get_logger(__name__)

OWNER = "migrator"
# Every statement on the table looks at each graph once while it is planned; the largest indexes get one.
MAX_GRAPHS = 120
# Above the promised .99 by what 50 samples leave uncertain: at .995 one tenant of 200 had .985 on other questions.
ENOUGH_RECALL = 0.998
LEAST_RECALL = 0.99
_EF_SEARCH = (40, 64, 100, 160, 250, 400, 640, 1_000)
_SAMPLES = 50
_NEIGHBOURS = 10
# Measured again when the index has grown by half since.
_GROWTH = 1.5
_PREFIX = "knowledge_graph_"

_WANTED = """
SELECT search_index.tenant_id, search_index.id, search_index.dimensions, sum(document.chunk_count)
FROM knowledge_searchindex AS search_index
JOIN knowledge_indexeddocument AS document
  ON document.tenant_id = search_index.tenant_id AND document.search_index_id = search_index.id
WHERE search_index.state IN ('active', 'building')
GROUP BY 1, 2, 3 HAVING sum(document.chunk_count) >= %s ORDER BY 4 DESC LIMIT %s
"""
_EXISTING = """
SELECT class.relname, index.indisvalid, pg_relation_size(class.oid) FROM pg_class AS class
JOIN pg_index AS index ON index.indexrelid = class.oid
WHERE class.relnamespace = 'public'::regnamespace AND starts_with(class.relname, %s)
"""
_RECORDED = "SELECT search_index_id, state, row_count FROM knowledge_vectorgraph"
_RECORD = """
INSERT INTO knowledge_vectorgraph (id, tenant_id, created_at, updated_at, search_index_id, state, dimensions, ef_search,
                                   recall, row_count, size_bytes, build_seconds)
VALUES (%(id)s, %(tenant)s, now(), now(), %(index)s, %(state)s, %(dimensions)s, %(ef_search)s, %(recall)s, %(rows)s,
        %(size)s, %(seconds)s)
ON CONFLICT (tenant_id, search_index_id) DO UPDATE SET
    updated_at = now(), state = excluded.state, dimensions = excluded.dimensions, ef_search = excluded.ef_search,
    recall = excluded.recall, row_count = excluded.row_count, size_bytes = excluded.size_bytes,
    build_seconds = coalesce(excluded.build_seconds, knowledge_vectorgraph.build_seconds)
"""
_FORGET = "DELETE FROM knowledge_vectorgraph WHERE NOT search_index_id = ANY(%s)"
_SAMPLE = """
SELECT embedding::text FROM knowledge_chunkvector
WHERE id IN (SELECT id FROM knowledge_chunkvector WHERE tenant_id = %s AND {condition} ORDER BY random() LIMIT %s)
"""
_COMPARE = """
SELECT chunk_id FROM (
    SELECT chunk_id, embedding <#> %(vector)s::halfvec AS distance FROM knowledge_chunkvector
    WHERE tenant_id = %(tenant)s AND {condition} OFFSET 0
) AS compared ORDER BY distance LIMIT %(limit)s
"""
_LOOSE_WORDS = """
SELECT tenant_id, search_index_id FROM knowledge_wordsegment
GROUP BY tenant_id, search_index_id, block, level HAVING count(*) >= %s
"""
_GONE_WORDS = """
SELECT segment.tenant_id, segment.search_index_id
FROM (SELECT tenant_id, search_index_id, sum(chunk_count) AS chunks FROM knowledge_wordsegment GROUP BY 1, 2) AS segment
LEFT JOIN (SELECT tenant_id, search_index_id, count(*) AS chunks FROM knowledge_chunkterms GROUP BY 1, 2) AS present
  ON present.tenant_id = segment.tenant_id AND present.search_index_id = segment.search_index_id
WHERE segment.chunks > coalesce(present.chunks, 0)
"""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Wanted:
    tenant_id: UUID
    search_index_id: UUID
    dimensions: int
    row_count: int

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.search_index_id.hex}_{self.dimensions}"

    @property
    def condition(self) -> str:
        return graph_condition(self.search_index_id, self.dimensions)


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What a pass did."""

    built: int = 0
    measured: int = 0
    dropped: int = 0
    merged: int = 0

    def __str__(self) -> str:
        return (
            f"{self.built} graphs built, {self.measured} measured, {self.dropped} dropped; "
            f"{self.merged} word segments written"
        )


def maintain_search_indexes(*, graph_from: int = GRAPH_FROM, erase_words: bool = True) -> MaintenanceReport:
    """One pass over all tenants. Needs the owner's connection; two at once wait for each other.

    Safe to kill and to repeat: a graph that was left unfinished is dropped and made anew.
    """
    with connections[OWNER].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('parley search maintenance', 0))")
        try:
            built, measured, dropped = _maintain_graphs(cursor, graph_from)
            merged = _tidy_words(cursor, erase=erase_words)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('parley search maintenance', 0))")
    report = MaintenanceReport(built, measured, dropped, merged)
    if report != MaintenanceReport():
        log.info("search.maintained", report=str(report))
    return report


# -- graphs ------------------------------------------------------------------------------------------------------


def _maintain_graphs(cursor: Any, graph_from: int) -> tuple[int, int, int]:
    wanted = [_Wanted(*row) for row in _rows(cursor, _WANTED, [graph_from, MAX_GRAPHS])]
    names = {graph.name: graph for graph in wanted}
    existing = {name: (valid, size) for name, valid, size in _rows(cursor, _EXISTING, [_PREFIX])}
    useless = [name for name, (valid, _) in existing.items() if name not in names or not valid]
    cursor.execute(_FORGET, [[graph.search_index_id for graph in wanted]])
    for name in useless:
        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        existing.pop(name)
    known = {row[0]: (row[1], row[2]) for row in _rows(cursor, _RECORDED, [])}
    built = measured = 0
    for graph in wanted:
        state, rows_then = known.get(graph.search_index_id, ("", 0))
        seconds = None
        if graph.name not in existing:
            seconds = _build(cursor, graph)
            built += 1
        elif state in (GraphState.READY, GraphState.POOR) and graph.row_count < rows_then * _GROWTH:
            continue
        _measure(cursor, graph, seconds)
        measured += 1
    return built, measured, len(useless)


def _build(cursor: Any, graph: _Wanted) -> float:
    """Make the graph beside running writes and searches; seconds it took."""
    _record(cursor, graph, GraphState.BUILDING)
    # The whole graph in memory, or building takes many times as long: vectors, and neighbours on two layers.
    megabytes = 64 + graph.row_count * (2 * graph.dimensions + 400) * 3 // 2 // 1_000_000
    # One process, as the settings below were measured: it leaves the other cores to those who search.
    cursor.execute("SET max_parallel_maintenance_workers = 0")
    cursor.execute("SELECT set_config('maintenance_work_mem', %s, false)", [f"{min(megabytes, 4_000)}MB"])
    started = time.monotonic()
    cursor.execute(
        f"CREATE INDEX CONCURRENTLY {graph.name} ON knowledge_chunkvector "
        f"USING hnsw ((embedding::halfvec({graph.dimensions})) halfvec_ip_ops) "
        f"WITH (m = 16, ef_construction = 200) WHERE {graph.condition}"
    )
    return time.monotonic() - started


def _measure(cursor: Any, graph: _Wanted, build_seconds: float | None) -> None:
    """Find the least effort that finds nearly everything, and record it."""
    questions = [halfvec_literal(row) for row in _questions(cursor, graph)]
    true = [_neighbours(cursor, _COMPARE.format(condition=graph.condition), graph, vector) for vector in questions]
    statement = graph_statement(graph.search_index_id, graph.dimensions)
    recall, ef_search = 0.0, 0
    cursor.execute("SET enable_sort = off")
    for ef_search in _EF_SEARCH:
        cursor.execute(f"SET hnsw.ef_search = {ef_search}")
        found = [_neighbours(cursor, statement, graph, vector) for vector in questions]
        recall = sum(len(a & b) for a, b in zip(true, found, strict=True)) / max(1, sum(map(len, true)))
        if recall >= ENOUGH_RECALL:
            break
    cursor.execute("SET enable_sort = on")
    state = GraphState.READY if recall >= LEAST_RECALL else GraphState.POOR
    _record(cursor, graph, state, ef_search=ef_search, recall=recall, seconds=build_seconds)
    log.info("search.graph_measured", index=str(graph.search_index_id), rows=graph.row_count, recall=round(recall, 4),
             ef_search=ef_search)  # fmt: skip


def _questions(cursor: Any, graph: _Wanted) -> Iterator[list[float]]:
    """Vectors near, but not at, stored ones, as questions are: one moved by the difference of two others."""
    rows = _rows(cursor, _SAMPLE.format(condition=graph.condition), [graph.tenant_id, 3 * _SAMPLES])
    stored: Vectors = np.array([np.fromstring(text[1:-1], sep=",") for (text,) in rows], dtype=np.float32)
    third = len(stored) // 3
    moved = stored[:third] + 0.6 * (stored[third : 2 * third] - stored[2 * third : 3 * third])
    yield from (moved / np.linalg.norm(moved, axis=1, keepdims=True)).tolist()


def _neighbours(cursor: Any, statement: str, graph: _Wanted, vector: str) -> set[UUID]:
    values = {"tenant": graph.tenant_id, "vector": vector, "limit": _NEIGHBOURS}
    cursor.execute(statement, values)
    return {row[0] for row in cursor.fetchall()}


def _record(
    cursor: Any,
    graph: _Wanted,
    state: GraphState,
    *,
    ef_search: int = 0,
    recall: float | None = None,
    seconds: float | None = None,
) -> None:
    sizes = {name: size for name, _, size in _rows(cursor, _EXISTING, [graph.name])}
    cursor.execute(
        _RECORD,
        {
            "id": uuid7(),
            "tenant": graph.tenant_id,
            "index": graph.search_index_id,
            "state": state.value,
            "dimensions": graph.dimensions,
            "ef_search": ef_search,
            "recall": recall,
            "rows": graph.row_count,
            "size": sizes.get(graph.name, 0),
            "seconds": seconds,
        },
    )


# -- words -------------------------------------------------------------------------------------------------------


def _tidy_words(cursor: Any, *, erase: bool) -> int:
    written = 0
    for tenant_id, index_id in dict.fromkeys(_rows(cursor, _LOOSE_WORDS, [FAN_OUT])):
        with use_tenant(tenant_id):
            written += tidy_words(search_index_id=index_id)
    for tenant_id, index_id in _rows(cursor, _GONE_WORDS, []) if erase else []:
        with use_tenant(tenant_id):
            written += tidy_words(search_index_id=index_id, erase=True)
    return written


def _rows(cursor: Any, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    cursor.execute(statement, values)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
