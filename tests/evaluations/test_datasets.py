"""Data sets and cases on the real database: nothing half imported, names once, other tenants unreachable."""

from __future__ import annotations

from uuid import uuid4

import pytest

from apps.evaluations import selectors
from apps.evaluations.contracts import CaseSpec
from apps.evaluations.services import cases, datasets, evaluators
from parley.errors import Conflict, Invalid, NotFound
from parley.tenancy import tenant_tx
from tests.fixtures import TenantWithKey

from .conftest import make_rated_answer

QUESTION = CaseSpec("How many seats?", (("15 seats", "fifteen seats"),), "pricing.md", "note")


def test_an_import_adds_all_rows_or_none(in_tenant_a: TenantWithKey) -> None:
    dataset = datasets.create_dataset(name="Support")
    with pytest.raises(Invalid):
        cases.import_cases(dataset_id=dataset.id, content=b"question\nOne?\nTwo?\n,\n\nOne?\n")
    assert selectors.list_cases(dataset.id).count() == 0
    assert cases.import_cases(dataset_id=dataset.id, content=b"question\nOne?\nTwo?\n") == 2
    assert [case.question for case in selectors.list_cases(dataset.id)] == ["One?", "Two?"]
    assert {case.source for case in selectors.list_cases(dataset.id)} == {"csv"}


def test_importing_the_same_file_again_is_refused_whole(in_tenant_a: TenantWithKey) -> None:
    dataset = datasets.create_dataset(name="Support")
    cases.import_cases(dataset_id=dataset.id, content=b"question\nOne?\n")
    with pytest.raises(Invalid, match="already in the data set"):
        cases.import_cases(dataset_id=dataset.id, content=b"question\nTwo?\n one?\n")
    assert selectors.list_cases(dataset.id).count() == 1


def test_a_case_keeps_what_was_typed(in_tenant_a: TenantWithKey) -> None:
    dataset = datasets.create_dataset(name="Support")
    case = cases.add_case(dataset_id=dataset.id, case=QUESTION)
    assert selectors.get_case(case.id).spec == QUESTION
    changed = CaseSpec("How many\x00 seats now?", (("20 seats",),))
    assert cases.update_case(case_id=case.id, case=changed).spec.question == "How many seats now?"
    cases.delete_case(case_id=case.id)
    with pytest.raises(NotFound):
        selectors.get_case(case.id)


@pytest.mark.parametrize(
    ("case", "field"),
    [
        (CaseSpec("  "), "question"),
        (CaseSpec("x" * 4001), "question"),
        (CaseSpec("Q?", tuple((str(number),) for number in range(21))), "expected_facts"),
        (CaseSpec("Q?", expected_document="x" * 301), "expected_document"),
        (CaseSpec("Q?", notes="x" * 4001), "notes"),
    ],
)
def test_a_case_that_cannot_be_kept_names_the_field(in_tenant_a: TenantWithKey, case: CaseSpec, field: str) -> None:
    dataset = datasets.create_dataset(name="Support")
    with pytest.raises(Invalid) as problem:
        cases.add_case(dataset_id=dataset.id, case=case)
    assert list(problem.value.extra["errors"]) == [field]


def test_names_are_taken_once(in_tenant_a: TenantWithKey) -> None:
    datasets.create_dataset(name="Support")
    with pytest.raises(Conflict, match="already a data set"):
        datasets.create_dataset(name=" Support ")
    evaluators.create_evaluator(name="Facts", kind="contains")
    with pytest.raises(Conflict, match="already an evaluator"):
        evaluators.create_evaluator(name="Facts", kind="regex", settings={"pattern": "x"})


def test_settings_of_an_evaluator_are_checked_by_its_kind(in_tenant_a: TenantWithKey) -> None:
    with pytest.raises(Invalid) as problem:
        evaluators.create_evaluator(name="Links", kind="regex", settings={"pattern": "("})
    assert list(problem.value.extra["errors"]) == ["pattern"]
    evaluator = evaluators.create_evaluator(name="Links", kind="regex", settings={"pattern": "https"})
    assert evaluator.settings == {"pattern": "https", "expect": "match"}


def test_the_same_answer_becomes_a_case_once(in_tenant_a: TenantWithKey) -> None:
    dataset = datasets.create_dataset(name="Support")
    message_id = make_rated_answer("How many seats?", "No idea.", comment="It is 15.")
    first = cases.add_case_from_message(dataset_id=dataset.id, message_id=message_id, case=QUESTION)
    again = cases.add_case_from_message(dataset_id=dataset.id, message_id=message_id, case=QUESTION)
    assert first.id == again.id
    assert first.source == "message"
    with pytest.raises(NotFound):
        cases.add_case_from_message(dataset_id=dataset.id, message_id=uuid4(), case=QUESTION)


def test_another_tenant_reaches_nothing(two_tenants: tuple[TenantWithKey, TenantWithKey]) -> None:
    """T-06 for the services of this app: the rows exist and stay invisible."""
    ours, theirs = two_tenants
    with tenant_tx(theirs.tenant.id):
        dataset = datasets.create_dataset(name="Secret")
        case = cases.add_case(dataset_id=dataset.id, case=QUESTION)
        evaluator = evaluators.create_evaluator(name="Facts", kind="contains")
    with tenant_tx(ours.tenant.id):
        assert selectors.list_datasets().count() == 0
        assert selectors.find_dataset("Secret") is None
        for call in (
            lambda: datasets.delete_dataset(dataset_id=dataset.id),
            lambda: datasets.update_dataset(dataset_id=dataset.id, name="Mine"),
            lambda: cases.add_case(dataset_id=dataset.id, case=QUESTION),
            lambda: cases.update_case(case_id=case.id, case=QUESTION),
            lambda: cases.delete_case(case_id=case.id),
            lambda: evaluators.delete_evaluator(evaluator_id=evaluator.id),
        ):
            with pytest.raises(NotFound):
                call()
    with tenant_tx(theirs.tenant.id):
        assert selectors.list_cases(dataset.id).count() == 1
