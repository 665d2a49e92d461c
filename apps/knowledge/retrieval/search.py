"""The one search that everything uses: propose, fuse, put in order, leave out, explain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast
from uuid import UUID

import structlog

from apps.gateway.services import embeddings
from apps.knowledge.contracts import (
    EDITORS,
    LOCAL_RERANKER,
    MAX_SEARCH_RESULTS,
    PUBLIC,
    Audience,
    Explanation,
    Passage,
    RetrievalSettings,
    SearchOutcome,
)
from apps.knowledge.embedders import Embedder
from apps.knowledge.retrieval.candidates import (
    Candidates,
    Spaces,
    find_candidates,
    permitted_among,
    region_of,
    similarities_of,
    spaces_of,
    vectors_of,
)
from apps.knowledge.retrieval.curated import find_curated, with_curated
from apps.knowledge.retrieval.evidence import Place, with_evidence
from apps.knowledge.retrieval.fusion import automatic_vector_weight, fuse
from apps.knowledge.retrieval.literals import halfvec_literal
from apps.knowledge.retrieval.local_reranker import DOCUMENTS, PASSAGES
from apps.knowledge.retrieval.metadata_filter import parse_filter
from apps.knowledge.retrieval.passage_rows import (
    ReadPassage,
    passages_of,
    places_around,
    places_of,
    read_passages,
    sections_of,
)
from apps.knowledge.retrieval.question_models import question_models
from apps.knowledge.retrieval.region import Region
from apps.knowledge.retrieval.relevance import question_stems, relevance
from apps.knowledge.retrieval.reranking import reranked, reranker_of
from apps.knowledge.retrieval.sections import give_sections
from apps.knowledge.retrieval.settings import settings_of
from apps.knowledge.retrieval.tuning import TuningCase
from apps.knowledge.retrieval.variety import spread, without_repeats
from apps.knowledge.retrieval.words import MAX_QUERY_CHARS
from parley.errors import Invalid, Problem
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

# Repeats are looked for among this many times the wanted passages: a text that stands in three documents leaves
# enough others.
_READ_PER_RESULT = 3
# The neighbours of this many are considered as well.
_WITH_NEIGHBOURS = 10


def search(
    *,
    knowledge_base_ids: Sequence[UUID],
    query: str,
    limit: int = 8,
    settings: RetrievalSettings | None = None,
    snapshot_ids: Sequence[UUID] = (),
    audience: Audience = PUBLIC,
) -> list[Passage]:
    """The passages that `look_up` finds, without how they were found."""
    outcome = look_up(
        knowledge_base_ids=knowledge_base_ids,
        query=query,
        limit=limit,
        settings=settings,
        snapshot_ids=snapshot_ids,
        audience=audience,
    )
    return list(outcome.passages)


def look_up(
    *,
    knowledge_base_ids: Sequence[UUID],
    query: str,
    limit: int = 8,
    settings: RetrievalSettings | None = None,
    snapshot_ids: Sequence[UUID] = (),
    audience: Audience = PUBLIC,
) -> SearchOutcome:
    """The passages of these knowledge bases that fit a question best, best first.

    Words and meaning are looked up separately and their scores fused. Unknown bases are ignored. Without an
    embedder the words alone decide. `settings` are tried for this search only; without them the bases' own
    count. A base with one of the snapshots is searched as it was then. An approved answer to this very question
    stands first. Nothing that the `audience` may not read takes part in any way: it is asked at this moment, also
    for snapshots and approved answers. An empty list means that nothing relevant enough was found.

    Each index is compared with the question as its own model sees it; when none of them can be asked, words alone
    decide, and the outcome says so.

    Call it without a transaction and with an ambient tenant: the question is embedded between two transactions, and
    reranked before a third. Raises `Invalid` for a question that is empty or too long,
    and for a filter that cannot be read.
    """
    question = " ".join(query.split())
    if not question:
        raise Invalid("Write what to search for.", errors={"query": ["Write what to search for."]})
    if len(question) > MAX_QUERY_CHARS:
        sentence = f"A question may have {MAX_QUERY_CHARS:,} characters at most."
        raise Invalid(sentence, errors={"query": [sentence]})
    parse_filter(audience.metadata_filter)
    limit = max(1, min(limit, MAX_SEARCH_RESULTS))
    if not knowledge_base_ids:
        return SearchOutcome(())
    with tenant_tx():
        models = question_models(knowledge_base_ids, snapshot_ids)
    vectors = _embed(question, models.embedders)
    curated_vector = _vector_of(models.curated, vectors, question)
    by_words_alone = bool(models.embedders) and not vectors
    with tenant_tx():
        chosen = settings or settings_of(knowledge_base_ids)
        region = region_of(knowledge_base_ids, snapshot_ids, audience=audience)
        if region.permitted.only == ():
            return SearchOutcome((), by_words_alone)
        rerank = reranker_of(chosen.reranker)
        depth = max(_READ_PER_RESULT * limit, rerank.depth if rerank else 0)
        found = _propose(region, spaces_of(region, vectors), question, depth, chosen)
        curated = None
        if models.curated is not None:
            curated = find_curated(
                knowledge_base_ids=knowledge_base_ids,
                permitted=region.permitted,
                question=question,
                vector=curated_vector,
                model=models.curated,
            )
        if rerank is None:
            settled = with_curated(curated, _settle(region, found, limit, chosen), limit)
            return SearchOutcome(tuple(settled), by_words_alone)
    found = reranked(rerank, question, found)
    with tenant_tx():
        # A provider had seconds, in which a document may have been deleted, or closed to this audience.
        region = region_of(knowledge_base_ids, snapshot_ids, audience=audience)
        known = [passage.chunk_id for passage in (*found, curated) if passage is not None]
        still = permitted_among(region=region, chunk_ids=known)
        found = [passage for passage in found if passage.chunk_id in still]
        curated = curated if curated is not None and curated.chunk_id in still else None
        settled = with_curated(curated, _settle(region, found, limit, chosen), limit)
        return SearchOutcome(tuple(settled), by_words_alone)


def consider(
    *, knowledge_base_id: UUID, query: str, settings: RetrievalSettings, expected: frozenset[UUID]
) -> TuningCase:
    """The candidates of a question that a search would weigh, for weighing them otherwise. As `look_up` otherwise."""
    question = " ".join(query.split())[:MAX_QUERY_CHARS]
    with tenant_tx():
        wanted = question_models([knowledge_base_id]).embedders
    vectors = _embed(question, wanted)
    with tenant_tx():
        region = region_of([knowledge_base_id], audience=EDITORS)
        spaces = spaces_of(region, vectors)
        count = settings.candidate_count
        found = find_candidates(region=region, spaces=spaces, question=question, limit=count)
        fused = fuse(found.words, found.similarities, vector_weight=automatic_vector_weight(found.similarities))
        found, places = _with_more(region, spaces, found, fused, whole=False)
        answering = [key for key, place in places.items() if place.document in expected]
        asked = question_stems(question)
        relevances = {
            key: _explained(key, found, 0.0, asked, read).relevance for key, read in read_passages(answering).items()
        }
    return TuningCase(found.words, found.similarities, places, relevances, expected)


def _embed(question: str, wanted: Iterable[Embedder]) -> dict[Embedder, str]:
    """The question as each of the models sees it, without those that cannot be asked now."""
    vectors: dict[Embedder, str] = {}
    for embedder in wanted:
        try:
            (vector,) = embeddings.embed(texts=[question], kind="query", model_id=embedder.model_id)
        except (LlmError, Problem) as problem:
            log.warning("search.without_vectors", error=type(problem).__name__, model=embedder.name)
            continue
        # A provider may have changed its model behind the name; what cannot be compared is not.
        if len(vector) == embedder.dimensions:
            vectors[embedder] = halfvec_literal(vector)
    return vectors


def _vector_of(model: str | None, vectors: Mapping[Embedder, str], question: str) -> str | None:
    """The question as the model of the approved questions sees it; they keep to what search is routed to."""
    if not model:
        return None
    known = next((vector for embedder, vector in vectors.items() if embedder.name == model), None)
    if known is not None:
        return known
    try:
        if embeddings.current_model() != model:
            return None
        return halfvec_literal(embeddings.embed(texts=[question], kind="query")[0])
    except (LlmError, Problem):
        return None


def _propose(region: Region, spaces: Spaces, question: str, depth: int, settings: RetrievalSettings) -> list[Passage]:
    """The best `depth` passages, best first, without those that are not relevant enough."""
    count = max(depth // _READ_PER_RESULT, settings.candidate_count)
    found = find_candidates(region=region, spaces=spaces, question=question, limit=count)
    weight = settings.vector_weight
    if weight is None:
        weight = automatic_vector_weight(found.similarities)
    fused = fuse(found.words, found.similarities, vector_weight=weight)
    found, places = _with_more(region, spaces, found, fused, whole=settings.reranker == LOCAL_RERANKER)
    fused = fuse(found.words, found.similarities, vector_weight=weight)
    ordered = with_evidence(fused, places)
    asked = question_stems(question)
    passages = {
        key: _passage(read, ordered[key], _explained(key, found, fused.get(key, 0.0), asked, read))
        for key, read in read_passages(list(ordered)[:depth]).items()
    }
    return [passages[key] for key in ordered if key in passages and _is_relevant(passages[key], settings)]


def _settle(region: Region, found: Sequence[Passage], limit: int, settings: RetrievalSettings) -> list[Passage]:
    """The wanted ones of ranked passages: spread, without repeats, with their sections."""
    passages = {passage.chunk_id: passage for passage in found}
    ranked = list(passages)
    if settings.diversity > 0.0:
        near = {key: passages[key].score for key in ranked}
        ranked = spread(near, vectors_of(region=region, chunk_ids=ranked), diversity=settings.diversity)
    if settings.removes_repeats:
        ranked = without_repeats(ranked, lambda key: passages[key].text, limit=limit)
    if settings.section_tokens > 0:
        return _with_sections(region, [passages[key] for key in ranked], settings.section_tokens)[:limit]
    return [passages[key] for key in ranked[:limit]]


def _with_sections(region: Region, passages: Sequence[Passage], budget: int) -> list[Passage]:
    """Each passage with the section around it, without those that stand in a better one's section."""
    found = {passage.chunk_id: passage for passage in passages}
    sections = sections_of(region=region, chunk_ids=list(found))
    given = give_sections(list(found), lambda key: sections.get(key, {}), budget=budget)
    return [replace(found[key], section=text) for key, text in given.items()]


def _is_relevant(passage: Passage, settings: RetrievalSettings) -> bool:
    return passage.explanation is None or passage.explanation.relevance >= settings.min_relevance


def _with_more(
    region: Region, spaces: Spaces, found: Candidates, fused: Mapping[UUID, float], *, whole: bool
) -> tuple[Candidates, dict[UUID, Place]]:
    """The candidates and what stands beside the best of them, or their `whole` documents, with all their places."""
    ranked = list(fused)
    if whole:
        known = places_of(ranked)
        best = [known[key].document for key in ranked if key in known]
        documents = cast("list[UUID]", list(dict.fromkeys(best))[:DOCUMENTS])
        known |= passages_of(region=region, documents=documents, limit=PASSAGES)
    else:
        known = places_around(region=region, chunk_ids=ranked, promising=ranked[:_WITH_NEIGHBOURS])
    places = {key: known[key] for key in ranked if key in known}
    beside = {key: place for key, place in known.items() if key not in places}
    similarities = similarities_of(spaces=spaces, chunk_ids=list(beside))
    beside = {key: place for key, place in beside.items() if key in similarities}
    return Candidates(found.words, found.proposed, found.similarities | similarities), places | beside


def _explained(key: UUID, found: Candidates, fused: float, asked: frozenset[str], read: ReadPassage) -> Explanation:
    similarity = found.similarities.get(key)
    return Explanation(
        word_rank=_rank(key, found.words),
        word_score=_rounded(found.words.get(key)),
        vector_rank=_rank(key, found.proposed),
        similarity=_rounded(similarity),
        fused=round(fused, 4),
        relevance=round(relevance(asked, " ".join([read.title, *read.headings, read.text]), similarity), 4),
    )


def _rank(key: UUID, scores: dict[UUID, float]) -> int | None:
    return list(scores).index(key) + 1 if key in scores else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _passage(read: ReadPassage, score: float, explanation: Explanation) -> Passage:
    return Passage(
        chunk_id=read.chunk_id,
        document_id=read.document_id,
        document_version_id=read.document_version_id,
        knowledge_base_id=read.knowledge_base_id,
        title=read.title,
        text=read.text,
        score=round(score, 4),
        location=read.location,
        headings=read.headings,
        similarity=explanation.similarity,
        matches_words=explanation.word_rank is not None,
        explanation=explanation,
        url=read.url,
        ordinal=read.ordinal,
    )
