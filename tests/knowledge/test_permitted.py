"""Access tags and filters work inside the choice of candidates: what is left out costs nobody a result."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.db import connection

from apps.knowledge.contracts import EDITORS, PUBLIC, Audience
from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.models import Document, DocumentVersion, IndexedDocument
from apps.knowledge.retrieval import permitted, vectors, words
from apps.knowledge.retrieval.candidates import region_of
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.metadata_filter import MAX_CONDITIONS, MAX_DEPTH, parse_filter
from apps.knowledge.retrieval.permitted import permitted_of
from apps.knowledge.retrieval.vectors import find_by_vector
from apps.knowledge.retrieval.words import find_by_words
from apps.knowledge.services.index_rows import IndexTarget, write_chunks, write_vectors
from apps.knowledge.services.passage_vectors import PassageVector
from apps.knowledge.services.search_maintenance import maintain_search_indexes
from parley.db import uuid7
from parley.errors import Invalid
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.knowledge.test_search import Matrix, _cloud, _index_id, _unit

Make = Callable[..., Any]
TAGS = ("hr", "partners", "legal")
WORDS = ("zebra", "parcel", "invoice", "gate", "lamp", "river")
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])


class Library:
    """A base of one-passage documents with vectors, words, tags and metadata that the test knows."""

    def __init__(self, owner: TenantWithKey, base: Any, size: int, seed: int) -> None:
        self.owner, self.base = owner, base
        self.rows = _cloud(seed, size)
        chance = random.Random(seed)
        self.tags = [chance.sample(TAGS, chance.choice([0, 0, 0, 1, 2])) for _ in range(size)]
        self.metadata = [_metadata(chance) for _ in range(size)]
        self.texts = [" ".join(chance.choices(WORDS, k=6)) for _ in range(size)]
        self.document_ids: list[UUID] = []
        self.chunk_ids: list[UUID] = []
        with tenant_tx(owner.tenant.id):
            self.index_id = _index_id(base)
            for number in range(size):
                self._add(number)

    def _add(self, number: int) -> None:
        same = {"name": f"{number}.txt", "media_type": "text/plain", "size_bytes": 1, "content_hash": f"{number:064}"}
        document = Document.objects.create(
            knowledge_base=self.base,
            status="indexed",
            progress=1.0,
            chunk_count=1,
            metadata=self.metadata[number],
            access_tags=sorted(self.tags[number]),
            **same,
        )
        version = DocumentVersion.objects.create(document=document, number=1, **same)
        target = IndexTarget(self.index_id, self.base.id, document.id, version.id, "note", edition=1, revision=1)
        ids = write_chunks(target, [ChunkDraft(0, 0, self.texts[number], (), "part", 2)])
        write_vectors([(ids[0], PassageVector(uuid7(), halfvec_literal(self.rows[number].tolist())))])
        IndexedDocument.objects.create(
            search_index_id=self.index_id, document=document, document_version=version, chunk_count=1
        )
        self.document_ids.append(document.id)
        self.chunk_ids += ids

    def allowed(self, audience: Audience) -> list[bool]:
        """By hand, document by document."""
        return [
            (audience.reads_everything or not tags or bool(set(tags) & set(audience.access_tags)))
            and (not audience.metadata_filter or _fits(audience.metadata_filter, metadata))
            for tags, metadata in zip(self.tags, self.metadata, strict=True)
        ]

    def check(self, audience: Audience, question: Matrix, limit: int = 10, least: float = 1.0) -> str:
        """Both ways to look against brute force over the permitted documents; returns how these were written down."""
        allowed = self.allowed(audience)
        with tenant_tx(self.owner.tenant.id):
            region = region_of([self.base.id], audience=audience)
            by_meaning = find_by_vector(region=region, vector=halfvec_literal(question.tolist()), limit=limit)
            by_words = find_by_words(region=region, query="zebra invoice", limit=limit)
            everything = region_of([self.base.id], audience=EDITORS)
            all_words = find_by_words(region=everything, query="zebra invoice", limit=len(self.rows))
        near = (self.rows.astype(np.float16).astype(np.float32) @ question).tolist()
        ranked = sorted((n for n in range(len(near)) if allowed[n]), key=lambda n: -near[n])[:limit]
        wanted = {self.chunk_ids[n] for n in ranked}
        agreed = {hit.chunk_id for hit in by_meaning} & wanted
        assert len(by_meaning) == len(wanted) == min(limit, sum(allowed)), "as many as there are"
        assert len(agreed) >= least * len(wanted)
        may = {chunk_id for chunk_id, is_allowed in zip(self.chunk_ids, allowed, strict=True) if is_allowed}
        assert {hit.chunk_id for hit in by_meaning} <= may
        assert {hit.chunk_id for hit in by_words} <= may
        # Of passages with equal scores any may be the last.
        assert [hit.score for hit in by_words] == [hit.score for hit in all_words if hit.chunk_id in may][:limit]
        kept = region.permitted
        assert kept.is_everything == all(allowed) or kept.only is not None or kept.question
        return "all" if kept.is_everything else "only" if kept.only is not None else "but" if kept.but else "asks"


def _metadata(chance: random.Random) -> dict[str, Any]:
    """All kinds of values under few names; each may be absent."""
    values: dict[str, list[Any]] = {
        "team": ["shop", "sales", "", True, 1],
        "year": [2024, 2025, 2025.5, "2025", [2023, 2026], -1],
        "at": ["2026-01-31", "2026-01-31T12:00:00+02:00", "2025-02-30", "yesterday", 5, ["2024-01-01", "2027-01-01"]],
        "flags": [[], ["a"], ["a", "b"], False],
    }
    return {name: chance.choice(choices) for name, choices in values.items() if chance.random() < 0.8}


def _filter(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    kind = chance.choice(["and", "or", "not", "one", "one", "one"]) if depth else "one"
    if kind == "not":
        return {"not": _filter(chance, depth - 1)}
    if kind != "one":
        return {kind: [_filter(chance, depth - 1) for _ in range(chance.randint(1, 3))]}
    field = chance.choice(["team", "year", "at", "flags", "never"])
    return {
        "field": field,
        **chance.choice(
            [
                {"eq": chance.choice(["shop", 2025, 2025.0, True, 1, "a", "2026-01-31"])},
                {"in": chance.sample(["shop", "sales", 2024, False, "b", 1], 3)},
                {"exists": chance.choice([True, False])},
                {chance.choice(["gt", "gte", "lt", "lte"]): chance.choice([2025, 0, 2025.5])},
                {chance.choice(["gt", "gte", "lt", "lte"]): chance.choice(["2026-01-31", "2026-01-31T10:00:00Z"])},
                {"gte": 2024, "lt": 2026},
            ]
        ),
    }


def _fits(wanted: Any, metadata: dict[str, Any]) -> bool:
    """The grammar once more, by another hand."""
    if "and" in wanted:
        return all(_fits(part, metadata) for part in wanted["and"])
    if "or" in wanted:
        return any(_fits(part, metadata) for part in wanted["or"])
    if "not" in wanted:
        return not _fits(wanted["not"], metadata)
    return all(_holds(name, value, wanted["field"], metadata) for name, value in wanted.items() if name != "field")


def _holds(name: str, value: Any, field: str, metadata: dict[str, Any]) -> bool:
    if name == "exists":
        return (field in metadata) is bool(value)
    held = metadata.get(field, [])
    items = held if isinstance(held, list) else [held]
    if name in ("eq", "in"):
        asked = value if name == "in" else [value]
        return any(_typed(item) == _typed(each) for item in items for each in asked)
    sign = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}[name]
    read: Callable[[Any], Any] = _moment if isinstance(value, str) else _number
    return any(getattr(read(item), sign)(read(value)) for item in items if read(item) is not None)


def _typed(value: Any) -> tuple[str, Any]:
    return ("bool" if isinstance(value, bool) else "text" if isinstance(value, str) else "number", value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@pytest.fixture
def library(tenant_a: TenantWithKey, make_base: Make) -> Library:
    return Library(tenant_a, make_base(tenant_a), size=90, seed=5)


def _audiences(count: int) -> Iterator[Audience]:
    chance = random.Random(11)
    for _ in range(count):
        yield Audience(
            tuple(chance.sample(TAGS, chance.randint(0, 3))),
            chance.choice([None, {}, _filter(chance), _filter(chance), _filter(chance)]),
            reads_everything=chance.random() < 0.2,
        )


def test_a_search_with_a_filter_is_brute_force_over_what_is_permitted(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-20, T-13: by words and by meaning, however the permitted documents are written down."""
    ways: set[str] = set()
    for number, audience in enumerate(_audiences(120)):
        monkeypatch.setattr(permitted, "MAX_LISTED", (3, 20, 2_000)[number % 3])
        monkeypatch.setattr(words, "_MASKED_UP_TO", (0, 10_000)[number % 2])
        ways.add(library.check(audience, library.rows[number % 90], limit=(5, 40)[number % 2]))
    assert ways == {"all", "only", "but", "asks"}


@pytest.mark.parametrize("filtered_from", [1, 10_000])
def test_a_graph_finds_as_much_of_what_is_permitted_as_comparing_does(
    tenant_a: TenantWithKey, make_base: Make, monkeypatch: pytest.MonkeyPatch, filtered_from: int
) -> None:
    """T-13, L-20: through the graph with a condition, and by comparison where few are permitted."""
    library = Library(tenant_a, make_base(tenant_a), size=260, seed=3)
    monkeypatch.setattr(vectors, "GRAPH_FROM", 100)
    monkeypatch.setattr(vectors, "FILTERED_GRAPH_FROM", filtered_from)
    assert maintain_search_indexes(graph_from=100).built == 1
    least = 0.9 if filtered_from == 1 else 1.0
    questions = itertools.cycle(_unit(library.rows[::7] + 0.02))
    walked: list[Sequence[Any]] = []
    ways: set[tuple[str, bool]] = set()
    plain_walk = vectors._walk

    def walk(*args: Any) -> Any:
        walked.append(args)
        return plain_walk(*args)

    monkeypatch.setattr(vectors, "_walk", walk)
    for number, audience in enumerate(_audiences(30)):
        monkeypatch.setattr(permitted, "MAX_LISTED", (10, 2_000)[number % 2])
        before = len(walked)
        way = library.check(replace(audience, reads_everything=False), next(questions), least=least)
        ways.add((way, len(walked) > before))
    assert ways >= {("all", True), ("but", filtered_from == 1), ("only", filtered_from == 1)}
    assert filtered_from == 1 or not any(is_walked for way, is_walked in ways if way != "all")


def test_a_base_without_tags_pays_one_look_and_sends_no_list(library: Library) -> None:
    """The look is served by an index of the tagged documents alone."""
    with tenant_tx(library.owner.tenant.id):
        assert permitted_of([library.base.id], EDITORS).is_everything
        Document.objects.update(access_tags=[])
        assert permitted_of([library.base.id], PUBLIC).condition("document_id") == "true"
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(
                f"EXPLAIN SELECT known.id {permitted._OF_BASES} AND {permitted._IS_TAGGED}",
                {"tenant": library.owner.tenant.id, "bases": [library.base.id]},
            )
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "knowledge_document_tagged" in plan


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("team", "object"),
        ([], "object"),
        ({"team": "shop"}, "unknown"),
        ({"field": "team"}, "missing"),
        ({"field": "", "eq": 1}, "must name"),
        ({"field": "a\0", "eq": 1}, "must name"),
        ({"field": "x" * 201, "eq": 1}, "must name"),
        ({"field": "team", "eq": None}, "takes"),
        ({"field": "team", "eq": ["a"]}, "takes"),
        ({"field": "team", "eq": "\ud800"}, "takes"),
        ({"field": "team", "eq": float("inf")}, "takes"),
        ({"field": "team", "in": []}, "list of 1"),
        ({"field": "team", "in": "shop"}, "list of 1"),
        ({"field": "team", "in": list(range(101))}, "list of 1"),
        ({"field": "year", "gt": "soon"}, "number or a date"),
        ({"field": "year", "gt": "2025-02-30"}, "number or a date"),
        ({"field": "year", "gt": True}, "number or a date"),
        ({"field": "year", "exists": 1}, "true or false"),
        ({"and": []}, "at least one"),
        ({"or": {"field": "a", "eq": 1}}, "at least one"),
        ({"not": []}, "object"),
        ({"and": [{"field": "a", "eq": 1}], "field": "b"}, "stand alone"),
        ({"and": [{"field": "a", "like": "x"}]}, "part 1 of “and”"),
        ({"and": [{"field": "a", "exists": True}] * (MAX_CONDITIONS + 1)}, "comparisons"),
        ({"field": "a", "eq": "x" * 5_000}, "bytes"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(written: Any, word: str) -> None:
    with pytest.raises(Invalid) as told:
        parse_filter(written)
    assert word in told.value.detail
    assert told.value.errors == {"filter": [told.value.detail]}


def test_a_filter_is_bounded_in_depth() -> None:
    deep: dict[str, Any] = {"field": "a", "eq": 1}
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    parse_filter(deep)
    with pytest.raises(Invalid, match="nested"):
        parse_filter({"not": deep})
    for _ in range(5_000):
        deep = {"not": deep}
    with pytest.raises(Invalid):
        parse_filter(deep)


@pytest.mark.parametrize("text", ["'; DROP TABLE knowledge_chunk; --", "%(tenant)s", "{documents}", "a\\", '"'])
def test_odd_names_and_values_are_only_values(library: Library, text: str) -> None:
    with tenant_tx(library.owner.tenant.id):
        Document.objects.filter(id=library.document_ids[0]).update(metadata={text: text})
        found = permitted_of([library.base.id], replace(EDITORS, metadata_filter={"field": text, "eq": text}))
    assert found.only == (library.document_ids[0],)
