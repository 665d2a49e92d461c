"""Does the answer rest on the document that it should rest on?"""

from __future__ import annotations

from apps.evaluations.contracts import AnswerRecord, CaseSpec, CitedPassage, Score
from apps.evaluations.scorers.base import PlainScorer, ScorerTools, Settings


class CitesExpectedDocument(PlainScorer):
    """Compares the cited documents with the expected one by id, or by name with or without its ending."""

    kind = "cites_expected_document"
    label = "Cites the expected document"
    description = "At least one citation of the answer comes from the expected document."
    position = 40

    async def score(self, case: CaseSpec, answer: AnswerRecord, settings: Settings, tools: ScorerTools) -> Score:
        """1 or 0."""
        if not case.expected_document:
            return Score.skipped("The case names no expected document.")
        if not answer.citations:
            return Score(value=0.0, is_passed=False, reason="The answer cites nothing.")
        for citation in answer.citations:
            if _is_expected(citation, case.expected_document):
                return Score(value=1.0, is_passed=True, reason=f"Citation [{citation.marker}] comes from it.")
        cited = ", ".join(dict.fromkeys(citation.name or citation.title for citation in answer.citations))
        return Score(value=0.0, is_passed=False, reason=f"Cites {cited} instead of {case.expected_document}.")


def _is_expected(citation: CitedPassage, expected: str) -> bool:
    if expected.strip().lower() == str(citation.document_id):
        return True
    return bool(_names(expected) & (_names(citation.name) | _names(citation.title)))


def _names(name: str) -> set[str]:
    """The name as given and without its path and ending, so that `docs/widget.md` and `widget` agree."""
    base = name.strip().replace("\\", "/").rsplit("/", 1)[-1].casefold()
    stem, dot, ending = base.rpartition(".")
    # Only a short ending is a file's: "Release 2.0 notes" has none.
    if not base:
        return set()
    return {base, stem} if dot and stem and ending.isalnum() and len(ending) <= 5 else {base}


SCORER = CitesExpectedDocument()
