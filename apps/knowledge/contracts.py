"""What other apps may hold of the knowledge app: frozen values, no tables, no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

MAX_SEARCH_RESULTS = 50
MIN_CANDIDATES, MAX_CANDIDATES = 10, 200
MAX_SECTION_TOKENS = 2_000
NO_RERANKER, LOCAL_RERANKER = "none", "local"
# As so many one may ask.
MAX_ASKED_TAGS = 50


@dataclass(frozen=True, slots=True)
class Audience:
    """As whom a search asks. Documents without access tags are for everybody; others for who has one of their tags.

    `metadata_filter` narrows it further, in the language of `retrieval.metadata_filter`. Whoever looks after the
    documents themselves `reads_everything`.
    """

    access_tags: tuple[str, ...] = ()
    metadata_filter: Mapping[str, Any] | None = None
    reads_everything: bool = False


PUBLIC = Audience()
EDITORS = Audience(reads_everything=True)


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """How a knowledge base is searched.

    `vector_weight` is the share of meaning against words in [0, 1], None for one that follows each question.
    Each of the two ways proposes `candidate_count` passages. Passages whose relevance is below `min_relevance` in
    [0, 1] are not found at all: "nothing found" is an answer. `removes_repeats` leaves out what a better passage
    says already; `diversity` in [0, 1) spreads the results over subjects. With `section_tokens` above 0 each passage
    comes with as much of its section around it. `reranker` puts the best candidates in order once more: none, the
    local one, or the rerank model of this id.
    """

    vector_weight: float | None = None
    candidate_count: int = 60
    min_relevance: float = 0.0
    removes_repeats: bool = True
    diversity: float = 0.0
    section_tokens: int = 0
    reranker: str = NO_RERANKER


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a passage stands where it does.

    Ranks count from 1 and are None when that way of looking did not propose the passage. `word_score` has no upper
    end, `similarity` is a cosine, `fused` lies in [0, 1]. `relevance` in [0, 1], which `min_relevance` is held
    against, compares across questions: the mean of cosine and of the share of the question's words.
    `rerank_score` in [0, 1] is None where nothing was reranked.
    """

    word_rank: int | None
    word_score: float | None
    vector_rank: int | None
    similarity: float | None
    fused: float
    relevance: float
    rerank_score: float | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk that was found. `score` in [0, 1] orders the results of one question and compares with no other.

    `similarity` is the cosine of question and passage (-1 to 1), None when the question had no vector;
    `matches_words` says whether a word of the question stands in it. `section` is the text around and with it, when
    the base gives sections.
    """

    chunk_id: UUID
    document_id: UUID
    document_version_id: UUID
    knowledge_base_id: UUID
    title: str
    text: str
    score: float
    location: str
    headings: tuple[str, ...]
    similarity: float | None = None
    matches_words: bool = False
    explanation: Explanation | None = None
    # An approved answer to this very question: it wins over everything else, and its text is the answer.
    is_curated: bool = False
    section: str = ""
    # Its place in reading order among the chunks of its document.
    ordinal: int = 0
    # The web page it was fetched from; empty for what was uploaded, typed or pushed.
    url: str = ""

    @property
    def reading(self) -> str:
        """What a model reads: the section where there is one, otherwise the passage alone."""
        return self.section or self.text


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """What a search found, best first. `by_words_alone` when no embedding model could be asked just now."""

    passages: tuple[Passage, ...]
    by_words_alone: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """The share of questions whose document is among the first eight passages, and their mean reciprocal rank."""

    recall: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the cases suggest. `tuned` is cross-validated: what questions that were not looked at can expect."""

    case_count: int
    now: Figures
    tuned: Figures
    vector_weight: float | None
    min_relevance: float

    @property
    def is_better(self) -> bool:
        """Whether the suggested weight holds for questions that it was not chosen by."""
        return (self.tuned.mrr, self.tuned.recall) > (self.now.mrr, self.now.recall)
