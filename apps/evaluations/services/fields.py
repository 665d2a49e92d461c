"""Checks of what people type, shared by the services that store it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from apps.evaluations.contracts import CaseSpec, Fact
from apps.evaluations.models import DOCUMENT_LENGTH, NAME_LENGTH
from parley.errors import Invalid

QUESTION_LENGTH = 4_000
FACT_LENGTH = 500
MAX_FACTS = 20
NOTES_LENGTH = 4_000


def clean_name(name: str, noun: str) -> str:
    """One line of at most 120 characters. Raises `Invalid`."""
    cleaned = " ".join(name.replace("\x00", "").split())
    if not cleaned:
        _refuse("name", f"Give the {noun} a name.")
    if len(cleaned) > NAME_LENGTH:
        _refuse("name", f"Use at most {NAME_LENGTH} characters for the name.")
    return cleaned


def clean_case(case: CaseSpec) -> CaseSpec:
    """The case with its texts trimmed. Raises `Invalid` with sentences by field."""
    errors = case_errors(case)
    if errors:
        raise Invalid(" ".join(sentence for sentences in errors.values() for sentence in sentences), errors=errors)
    return CaseSpec(
        question=_plain(case.question),
        expected_facts=tuple(tuple(_plain(wording) for wording in fact) for fact in case.expected_facts),
        expected_document=" ".join(_plain(case.expected_document).split()),
        notes=_plain(case.notes),
    )


def case_errors(case: CaseSpec) -> Mapping[str, Sequence[str]]:
    """What is wrong with a case, by field; empty when nothing is."""
    errors: dict[str, list[str]] = {}
    if not _plain(case.question):
        errors["question"] = ["Write the question."]
    elif len(case.question) > QUESTION_LENGTH:
        errors["question"] = [f"The question may have at most {QUESTION_LENGTH:,} characters."]
    if sentence := _facts_error(case.expected_facts):
        errors["expected_facts"] = [sentence]
    if len(case.expected_document) > DOCUMENT_LENGTH:
        errors["expected_document"] = [f"The document's name may have at most {DOCUMENT_LENGTH} characters."]
    if len(case.notes) > NOTES_LENGTH:
        errors["notes"] = [f"The notes may have at most {NOTES_LENGTH:,} characters."]
    return errors


def _facts_error(facts: Sequence[Fact]) -> str | None:
    if len(facts) > MAX_FACTS:
        return f"A case may have at most {MAX_FACTS} expected facts."
    if any(len(wording) > FACT_LENGTH for fact in facts for wording in fact):
        return f"Each wording of a fact may have at most {FACT_LENGTH} characters."
    return None


def _plain(text: str) -> str:
    # PostgreSQL refuses NUL characters, which come in with broken exports.
    return text.replace("\x00", "").replace("\r\n", "\n").strip()


def _refuse(field: str, sentence: str) -> None:
    raise Invalid(sentence, errors={field: [sentence]})
