"""Large indexes get a graph of their own, made by the owner; without it nothing but time is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection, connections

from apps.knowledge.models import ChunkVector, SearchIndex, VectorGraph, WordSegment
from apps.knowledge.retrieval import vectors
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.vectors import find_by_vector, graph_statement
from apps.knowledge.services import search_maintenance
from apps.knowledge.services.search_maintenance import maintain_search_indexes
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey
from tests.knowledge.test_search import Matrix, _cloud, _fill, _index_id, _nearest, _unit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform", "migrator"])

Make = Callable[..., Any]
SMALL, LARGE = 120, 700
FROM = 500


class Owner:
    """A tenant with one base of given vectors."""

    def __init__(self, owner: TenantWithKey, base: Any, rows: Matrix) -> None:
        self.owner, self.rows = owner, rows
        self.ids = _fill(owner, base, rows)
        with tenant_tx(owner.tenant.id):
            from apps.knowledge.models import IndexedDocument

            self.index_id = _index_id(base)
            document, version = ChunkVector.objects.values_list("document_id", "chunk__document_version_id")[0]
            IndexedDocument.objects.create(
                search_index_id=self.index_id,
                document_id=document,
                document_version_id=version,
                chunk_count=len(rows),
            )

    def find(self, question: Matrix, limit: int = 10, revision: int | None = None) -> list[UUID]:
        region = Region((self.index_id,), total=len(self.rows))
        if revision is not None:
            region = Region((), total=len(self.rows), pinned=((self.index_id, revision),))
        with tenant_tx(self.owner.tenant.id):
            hits = find_by_vector(region=region, vector=halfvec_literal(question.tolist()), limit=limit)
        assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)
        return [hit.chunk_id for hit in hits]

    def recall(self, questions: Sequence[Matrix]) -> float:
        agreed = [len(set(self.find(one)) & _nearest(self.rows, self.ids, one, 10)) for one in questions]
        return sum(agreed) / (10 * len(agreed))

    def graph(self) -> VectorGraph | None:
        with tenant_tx(self.owner.tenant.id):
            found: VectorGraph | None = VectorGraph.objects.filter(search_index_id=self.index_id).first()
            return found

    def plan(self) -> str:
        with tenant_tx(self.owner.tenant.id), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(
                "EXPLAIN " + graph_statement(self.index_id, 384),
                {"tenant": self.owner.tenant.id, "vector": halfvec_literal(self.rows[0].tolist()), "limit": 10},
            )
            return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def large(tenant_a: TenantWithKey, make_base: Make) -> Iterator[Owner]:
    yield Owner(tenant_a, make_base(tenant_a), _cloud(1, LARGE))
    maintain_search_indexes(graph_from=10**9)


@pytest.fixture
def small(tenant_b: TenantWithKey, make_base: Make) -> Owner:
    return Owner(tenant_b, make_base(tenant_b), _cloud(2, SMALL))


def test_only_a_large_index_gets_a_graph_and_both_find_their_neighbours(
    large: Owner, small: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-13, T-14: the graph holds one tenant's vectors only; the small one is compared, and no plan names the graph."""
    monkeypatch.setattr(vectors, "GRAPH_FROM", FROM)
    assert maintain_search_indexes(graph_from=FROM).built == 1
    graph = large.graph()
    assert graph is not None
    assert graph.state == "ready"
    assert graph.row_count == LARGE
    assert graph.recall is not None
    assert graph.recall >= 0.99
    assert "knowledge_graph_" in large.plan()
    assert small.graph() is None
    assert "knowledge_graph_" not in small.plan()
    questions = list(_unit(np.vstack([_cloud(seed, 4) for seed in (1, 2, 3)])))
    assert large.recall(questions) >= 0.99
    assert small.recall(questions) == 1.0


def test_a_second_pass_does_nothing(large: Owner) -> None:
    maintain_search_indexes(graph_from=FROM)
    assert maintain_search_indexes(graph_from=FROM) == search_maintenance.MaintenanceReport()


def test_a_graph_that_is_gone_or_finds_too_little_is_made_up_for(large: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """T-13: exactly min(k, rows) neighbours, whatever became of the graph behind our back."""
    monkeypatch.setattr(vectors, "GRAPH_FROM", FROM)
    maintain_search_indexes(graph_from=FROM)
    question = _cloud(3, 1)[0]
    wanted = _nearest(large.rows, large.ids, question, 10)
    with monkeypatch.context() as patch:
        patch.setattr(vectors, "_walk", lambda *args: [])
        assert set(large.find(question)) == wanted
    with connections["migrator"].cursor() as cursor:
        cursor.execute(f"DROP INDEX knowledge_graph_{large.index_id.hex}_384")
    assert set(large.find(question)) == wanted
    assert maintain_search_indexes(graph_from=FROM).built == 1


def test_hidden_passages_are_not_found_through_the_graph(large: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """L-20: ended and deleted rows leave at once; a snapshot still finds the ended ones."""
    monkeypatch.setattr(vectors, "GRAPH_FROM", FROM)
    maintain_search_indexes(graph_from=FROM)
    question = large.rows[0]
    first, second, *_ = large.find(question)
    with tenant_tx(large.owner.tenant.id):
        ChunkVector.objects.filter(chunk_id=first).update(valid_to=7)
        ChunkVector.objects.filter(chunk_id=second).delete()
    now = large.find(question)
    assert not {first, second} & set(now)
    assert len(now) == 10
    assert large.find(question, revision=6)[0] == first


def test_a_retired_index_loses_its_graph(large: Owner) -> None:
    maintain_search_indexes(graph_from=FROM)
    with tenant_tx(large.owner.tenant.id):
        SearchIndex.objects.filter(id=large.index_id).update(state="retired")
    assert maintain_search_indexes(graph_from=FROM).dropped == 1
    assert large.graph() is None


def test_a_poor_graph_is_not_used(large: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "GRAPH_FROM", FROM)
    monkeypatch.setattr(search_maintenance, "LEAST_RECALL", 1.1)
    monkeypatch.setattr(search_maintenance, "ENOUGH_RECALL", 1.1)
    maintain_search_indexes(graph_from=FROM)
    graph = large.graph()
    assert graph is not None
    assert graph.state == "poor"
    with tenant_tx(large.owner.tenant.id):
        assert vectors._graphs(Region((large.index_id,), total=LARGE)) == {}


def test_the_command_does_one_pass_and_erases_words_that_are_gone(small: Owner) -> None:
    """D-05: the words of deleted chunks are gone from storage after the pass."""
    from apps.knowledge.models import ChunkTerms

    with tenant_tx(small.owner.tenant.id):
        ChunkTerms.objects.all().delete()
    call_command("maintain_search_indexes")
    with tenant_tx(small.owner.tenant.id):
        assert not WordSegment.objects.exists()
