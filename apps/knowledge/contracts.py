"""What other apps may hold of the knowledge app: frozen values, no tables, no framework."""

from dataclasses import dataclass
from uuid import UUID

MAX_SEARCH_RESULTS = 50


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk that was found. `score` is the fused rank, 1.0 for a passage that leads both lists.

    `similarity` is the cosine of question and passage (-1 to 1), None when only the words matched;
    `matches_words` says whether a word of the question stands in it.
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
