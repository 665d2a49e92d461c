"""Writes of cases: by hand, from a file, from a rated answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db import transaction

from apps.conversations import selectors as conversations
from apps.evaluations import selectors
from apps.evaluations.contracts import CaseSpec
from apps.evaluations.enums import CaseSource
from apps.evaluations.models import Case, Dataset
from apps.evaluations.services import case_files
from apps.evaluations.services.fields import clean_case
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, TooLarge

MAX_CASES_IN_DATASET = 5_000


def add_case(*, dataset_id: UUID, case: CaseSpec) -> Case:
    """Add a case written by hand. Raises `Invalid` by field, `NotFound`, `Conflict` when the set is full."""
    dataset = _lock_with_room(dataset_id, 1)
    return Case.objects.create(dataset=dataset, source=CaseSource.HAND, **_columns(clean_case(case)))


def update_case(*, case_id: UUID, case: CaseSpec) -> Case:
    """Replace the texts of a case; started experiments keep their copy. Raises like `add_case`."""
    row = selectors.get_case(case_id)
    for column, value in _columns(clean_case(case)).items():
        setattr(row, column, value)
    row.save()
    return row


def delete_case(*, case_id: UUID) -> None:
    """Remove a case from its data set. Raises `NotFound`."""
    selectors.get_case(case_id).delete()


def import_cases(*, dataset_id: UUID, content: bytes) -> int:
    """Add every case of a CSV file, or none. Returns how many.

    Raises `TooLarge`, or `Invalid` whose `errors["rows"]` names every wrong row.
    """
    cases = case_files.read_cases(content)
    dataset = _lock_with_room(dataset_id, len(cases))
    _refuse_known_questions(dataset, cases)
    _insert(dataset, cases, CaseSource.CSV)
    audit.record(action="dataset.imported", target=dataset, after={"cases": len(cases)})
    return len(cases)


def import_upload(*, dataset_id: UUID, upload: File[bytes]) -> int:
    """`import_cases` of an uploaded file, which is not even read when it is too large."""
    if upload.size > case_files.MAX_BYTES:
        raise TooLarge(f"The file is larger than {case_files.MAX_BYTES // 1024 // 1024} MB. Split it into parts.")
    return import_cases(dataset_id=dataset_id, content=upload.read())


def add_case_from_message(*, dataset_id: UUID, message_id: UUID, case: CaseSpec) -> Case:
    """Add what was asked before a rated answer, with what should have been answered.

    The same answer is in a data set at most once: repeating this returns the case that is there.
    Raises `NotFound` for an unknown message, otherwise like `add_case`.
    """
    conversations.get_exchange(message_id)
    dataset = _lock_with_room(dataset_id, 1)
    row, _ = Case.objects.get_or_create(
        dataset=dataset,
        message_id=message_id,
        defaults={"source": CaseSource.MESSAGE, **_columns(clean_case(case))},
    )
    return row


def _columns(case: CaseSpec) -> dict[str, Any]:
    return {
        "question": case.question,
        "expected_facts": [list(fact) for fact in case.expected_facts],
        "expected_document": case.expected_document,
        "notes": case.notes,
    }


def _insert(dataset: Dataset, cases: Iterable[CaseSpec], source: CaseSource) -> None:
    with transaction.atomic():
        Case.objects.bulk_create(
            (Case(dataset=dataset, source=source, **_columns(clean_case(case))) for case in cases),
            batch_size=500,
        )


def _lock_with_room(dataset_id: UUID, added: int) -> Dataset:
    """The data set, locked so that two imports at once cannot both take its last places."""
    selectors.get_dataset(dataset_id)
    dataset = Dataset.objects.select_for_update().get(id=dataset_id)
    if dataset.cases.count() + added > MAX_CASES_IN_DATASET:
        raise Conflict(f"A data set holds at most {MAX_CASES_IN_DATASET:,} cases. Make another one.")
    return dataset


def _refuse_known_questions(dataset: Dataset, cases: list[CaseSpec]) -> None:
    known = set(map(_key, dataset.cases.values_list("question", flat=True)))
    again = [case.question for case in cases if _key(case.question) in known]
    if again:
        sentences = [f"“{question[:80]}” is already in the data set." for question in again]
        raise Invalid(
            f"Nothing was imported: {len(again):,} of the questions are there already. {sentences[0]}",
            errors={"rows": sentences[: case_files.MAX_LISTED_ROWS]},
        )


def _key(question: str) -> str:
    """What makes two questions the same: their words."""
    return " ".join(question.casefold().split())
