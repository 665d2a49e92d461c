"""What a case, an answer and a score are, apart from tables: the vocabulary of the scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

# One fact an answer must state: the wordings that count as stating it.
Fact = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseSpec:
    """A question and what a good answer needs. `expected_document` is a name or an id; "" means none."""

    question: str
    expected_facts: tuple[Fact, ...] = ()
    expected_document: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A passage the answer cites; `title` is its document's for readers, `name` what it was uploaded as."""

    marker: int
    document_id: UUID
    title: str
    text: str
    name: str = ""
    location: str = ""
    quote: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe form for the answer record."""
        return {
            "marker": self.marker,
            "document_id": str(self.document_id),
            "title": self.title,
            "text": self.text,
            "name": self.name,
            "location": self.location,
            "quote": self.quote,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        return cls(**{**data, "document_id": UUID(data["document_id"])})


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What the assistant said to the question of one case."""

    text: str
    citations: tuple[CitedPassage, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One evaluator's verdict. `value` is 0..1; None means that the case lacks what the evaluator needs."""

    value: float | None
    is_passed: bool
    reason: str

    @classmethod
    def skipped(cls, reason: str) -> Self:
        """A verdict that does not count."""
        return cls(value=None, is_passed=False, reason=reason)


@dataclass(frozen=True, slots=True)
class EvaluatorSummary:
    """All verdicts of one evaluator in one experiment. `mean` is None while nothing was scored."""

    evaluator_id: UUID
    name: str
    kind: str
    mean: float | None
    passed_count: int
    scored_count: int
    skipped_count: int
    failed_count: int


def parse_facts(lines: str) -> tuple[Fact, ...]:
    """Facts from text: one fact per line, wordings separated by `|`. Empty lines and wordings are dropped."""
    return clean_facts([line.split("|") for line in lines.splitlines()])


def clean_facts(facts: Sequence[str | Sequence[str]]) -> tuple[Fact, ...]:
    """Facts from lists: a text is split at `|`, a list is taken as the wordings of one fact."""
    cleaned = []
    for fact in facts:
        wordings = fact.split("|") if isinstance(fact, str) else fact
        kept = tuple(wording.strip() for wording in wordings if wording.strip())
        if kept:
            cleaned.append(kept)
    return tuple(cleaned)


def format_facts(facts: Sequence[Sequence[str]]) -> str:
    """The inverse of `parse_facts`, for forms and CSV cells."""
    return "\n".join(" | ".join(wordings) for wordings in facts)
