"""One search for everything: it finds what fits, all of it, and only its own tenant's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest
from django.db import connection

from apps.gateway.selectors import recent
from apps.knowledge import selectors
from apps.knowledge.ingest.chunk import ChunkDraft
from apps.knowledge.retrieval import vectors
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.vectors import find_by_vector
from apps.knowledge.retrieval.words import find_by_words
from apps.knowledge.services import documents, indexing
from apps.knowledge.services.index_rows import IndexTarget, write_chunks, write_vectors
from apps.knowledge.services.passage_vectors import PassageVector
from parley.db import uuid7
from parley.errors import Invalid, Unavailable
from parley.tenancy import tenant_tx, use_tenant
from tests.fixtures import TenantWithKey
from tests.knowledge import files

Make = Callable[..., Any]
Matrix = npt.NDArray[np.float32]

GUIDE = b"""# Help

## Refunds

Customers get their money back within 14 days of the purchase. Vouchers are not refunded.

## Opening hours

The shop is open from nine to six on weekdays, and the hotline answers until eight in the evening.

## Error codes

The code ERR-4711 means that the card was declined by the bank. Ask for another card.

## Parking

Visitors leave their car in the yard behind the house; the gate opens with the code on the invitation.
"""


def _find(owner: TenantWithKey, base: Any, query: str, limit: int = 8) -> list[Any]:
    with use_tenant(owner.tenant.id):
        return selectors.search(knowledge_base_ids=[base.id], query=query, limit=limit)


@pytest.fixture
def guide(tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make) -> Any:
    base = make_base(tenant_a)
    index(tenant_a, add(tenant_a, base, "help.md", GUIDE))
    return base


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("What does ERR-4711 mean?", "Error codes"),
        ("Can I return what I bought?", "Refunds"),
        ("when are you open", "Opening hours"),
        ("Where can I leave my vehicle?", "Parking"),
    ],
)
def test_words_and_meaning_find_the_passage(tenant_a: TenantWithKey, guide: Any, question: str, heading: str) -> None:
    best = _find(tenant_a, guide, question)[0]
    assert best.headings[-1] == heading
    assert best.title == "Help"
    assert best.location == heading
    assert 0 < best.score <= 1


def test_a_rare_word_outweighs_common_ones(tenant_a: TenantWithKey, guide: Any) -> None:
    """The word that only one passage holds decides, not the number of everyday words that match."""
    with tenant_tx(tenant_a.tenant.id):
        hits = find_by_words(region=_region(guide, 4), query="opens code code of the card ERR-4711", limit=4)
        best = selectors.list_chunks(document_id=_document_id(guide)).get(id=hits[0].chunk_id)
    assert "ERR-4711" in best.text


def test_without_the_embedder_the_words_decide(
    tenant_a: TenantWithKey, guide: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**kwargs: Any) -> list[list[float]]:
        raise Unavailable("The embedder is away.")

    monkeypatch.setattr("apps.knowledge.retrieval.search.embeddings.embed", away)
    found = _find(tenant_a, guide, "declined card")
    assert [passage.headings[-1] for passage in found] == ["Error codes"]
    assert found[0].similarity is None
    assert _find(tenant_a, guide, "xylophone") == []


@pytest.mark.parametrize(
    "question", ["the and of", "'; DROP TABLE knowledge_chunk; --", "a\\'b & | ! <-> (", "?!", "日本"]
)
def test_odd_questions_are_only_questions(tenant_a: TenantWithKey, guide: Any, question: str) -> None:
    assert len(_find(tenant_a, guide, question)) == 4


@pytest.mark.parametrize("question", ["", "   ", "x" * 2001])
def test_no_question_or_an_endless_one_is_refused(tenant_a: TenantWithKey, guide: Any, question: str) -> None:
    with pytest.raises(Invalid):
        _find(tenant_a, guide, question)


def test_deleted_and_failed_documents_are_never_found(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-20: from the moment of deletion or failure on, by words and by meaning."""
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    base = make_base(tenant_a)
    gone = index(tenant_a, add(tenant_a, base, "gone.md", b"The zebra eats grass."))
    broken = index(tenant_a, add(tenant_a, base, "broken.md", b"The lion eats zebras."))
    assert len(_find(tenant_a, base, "zebra")) == 2
    with tenant_tx(tenant_a.tenant.id):
        documents.delete_document(document_id=gone.id)
    assert [passage.document_id for passage in _find(tenant_a, base, "zebra")] == [broken.id]
    with monkeypatch.context() as patch:
        patch.setattr(indexing, "chunk", lambda extracted, **_: [])
        assert index(tenant_a, add(tenant_a, base, "never.md", b"The zebra sleeps.")).status == "failed"
    assert [passage.document_id for passage in _find(tenant_a, base, "zebra")] == [broken.id]


def test_a_document_is_not_found_before_it_is_indexed(tenant_a: TenantWithKey, make_base: Make, add: Make) -> None:
    base = make_base(tenant_a)
    add(tenant_a, base, "a.md", files.MARKDOWN)
    assert _find(tenant_a, base, "ports") == []


def test_another_tenants_base_gives_nothing(
    two_tenants: tuple[TenantWithKey, TenantWithKey], make_base: Make, add: Make, index: Make
) -> None:
    """T-06: the id of somebody else's base is as good as none, alone and among one's own."""
    owner, stranger = two_tenants
    base, own = make_base(owner), make_base(stranger)
    index(owner, add(owner, base, "a.md", b"The password of the vault is zebra."))
    index(stranger, add(stranger, own, "b.md", b"Nothing of interest."))
    assert _find(stranger, base, "vault password zebra") == []
    with use_tenant(stranger.tenant.id):
        mixed = selectors.search(knowledge_base_ids=[base.id, own.id], query="vault password zebra")
    assert {passage.knowledge_base_id for passage in mixed} == {own.id}


def test_search_needs_few_queries(
    tenant_a: TenantWithKey, make_base: Make, add: Make, index: Make, django_assert_max_num_queries: Any
) -> None:
    """The same number with one document and with six."""
    base = make_base(tenant_a)
    for number in range(6):
        index(tenant_a, add(tenant_a, base, f"{number}.md", f"# Note {number}\n\nZebra number {number}.".encode()))
        if number in (0, 5):
            # What is remembered for a second is read in every count, or the number would depend on the clock.
            recent.forget()
            with django_assert_max_num_queries(24):
                assert len(_find(tenant_a, base, "zebra", limit=10)) == number + 1


# -- T-13: true neighbours for every size of tenant ---------------------------------


def _unit(rows: Matrix) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _cloud(seed: int, rows: int) -> Matrix:
    """Vectors around a few centres, as real texts lie; each tenant has centres of its own."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(4, 384))
    return _unit(centres[random.integers(0, 4, rows)] + 0.6 * random.normal(size=(rows, 384)))


def _fill(owner: TenantWithKey, base: Any, rows: Matrix) -> list[UUID]:
    """Chunk rows with given vectors, as if indexed; their ids in the order of the rows."""
    from apps.knowledge.models import Document, DocumentVersion

    with tenant_tx(owner.tenant.id):
        document = Document.objects.create(
            knowledge_base=base, name="bulk.txt", media_type="text/plain", size_bytes=1, content_hash="0" * 64,
            status="indexed", progress=1.0, chunk_count=len(rows),
        )  # fmt: skip
        version = DocumentVersion.objects.create(
            document=document, number=1, name="bulk.txt", media_type="text/plain", size_bytes=1, content_hash="0" * 64
        )
        target = IndexTarget(_index_id(base), base.id, document.id, version.id, "bulk", edition=1, revision=1)
        ids = write_chunks(target, [ChunkDraft(n, 0, f"passage {n}", (), "part", 2) for n in range(len(rows))])
        made = [PassageVector(uuid7(), halfvec_literal(row)) for row in rows.tolist()]
        write_vectors(list(zip(ids, made, strict=True)))
        return ids


def _index_id(base: Any) -> UUID:
    from apps.knowledge.models import SearchIndex

    found: UUID = SearchIndex.objects.values_list("id", flat=True).get(knowledge_base=base, state="active")
    return found


def _region(base: Any, total: int) -> Region:
    return Region((_index_id(base),), total=total)


def _nearest(rows: Matrix, ids: Sequence[UUID], question: Matrix, limit: int) -> set[UUID]:
    order = np.argsort(-(rows.astype(np.float16).astype(np.float32) @ question))[:limit]
    return {ids[position] for position in order}


Crowd = list[tuple[TenantWithKey, Any, Matrix, list[UUID]]]


def _crowd(make_base: Make, sizes: Sequence[int]) -> Crowd:
    from tests.fixtures import _tenant_with_key

    made = []
    for seed, size in enumerate(sizes):
        owner = _tenant_with_key(f"Crowd{size}")
        base = make_base(owner)
        rows = _cloud(seed, size)
        made.append((owner, base, rows, _fill(owner, base, rows)))
    return made


@pytest.fixture
def crowd(db: None, make_base: Make) -> Crowd:
    """Five tenants of 1, 50, 300, 900 and 3,000 passages in one table and one index."""
    return _crowd(make_base, (3_000, 900, 300, 50, 1))


@pytest.fixture
def small_crowd(db: None, make_base: Make) -> Crowd:
    """A large, a middling and a small tenant, for what needs no numbers."""
    return _crowd(make_base, (900, 200, 50))


def test_every_tenant_gets_its_true_neighbours(crowd: Crowd) -> None:
    """T-13: min(k, rows) results, equal to brute force, for questions near one's own and near others'
    passages.
    """
    questions = _unit(np.vstack([_cloud(seed, 4) for seed in range(5)]))
    for owner, base, rows, ids in crowd:
        agreed = 0
        for question in questions:
            with tenant_tx(owner.tenant.id):
                hits = find_by_vector(
                    region=_region(base, len(rows)), vector=halfvec_literal(question.tolist()), limit=10
                )
            assert len(hits) == min(10, len(rows))
            assert [hit.similarity for hit in hits] == sorted((hit.similarity for hit in hits), reverse=True)
            agreed += len({hit.chunk_id for hit in hits} & _nearest(rows, ids, question, 10))
        recall = agreed / (len(questions) * min(10, len(rows)))
        assert recall >= (0.95 if len(rows) > 500 else 0.999), f"{len(rows)} passages: recall {recall:.3f}"


def test_the_plan_of_a_small_tenant_reads_only_its_own_rows(
    small_crowd: Crowd,
) -> None:
    """T-14: no walk through the shared index, no scan of the whole table."""
    owner, base, rows, _ = small_crowd[2]
    with tenant_tx(owner.tenant.id):
        region = _region(base, len(rows))
    with connection.cursor() as cursor, tenant_tx(owner.tenant.id):
        cursor.execute(
            "EXPLAIN " + vectors.exact_statement(region),
            region.parameters | {"vector": halfvec_literal(rows[0].tolist()), "limit": 10},
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "knowledge_chunkvector_live" in plan
    assert "Seq Scan" not in plan


def test_what_is_scanned_lies_in_line(db: None) -> None:
    """The migration's storage settings: no vector is fetched from a second place, and nothing is compressed twice."""
    wanted = {
        ("knowledge_chunkvector", "embedding"): "p",
        ("knowledge_wordpostings", "places"): "e",
        ("knowledge_originalfile", "content"): "e",
    }
    with connection.cursor() as cursor:
        for (table, column), storage in wanted.items():
            cursor.execute(
                "SELECT attstorage FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
                " WHERE relname = %s AND attname = %s",
                [table, column],
            )
            assert cursor.fetchone() == (storage,), f"{table}.{column}"


def _document_id(base: Any) -> UUID:
    found: UUID = selectors.list_documents(knowledge_base_id=base.id).values_list("id", flat=True)[0]
    return found
