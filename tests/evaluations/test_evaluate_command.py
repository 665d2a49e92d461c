"""`manage.py evaluate` as a pipeline meets it: what it prints and how it ends."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.assistants.services.assistants import update_draft
from apps.assistants.services.versions import publish
from apps.evaluations import selectors
from apps.evaluations.services import evaluators
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx

from .conftest import MODEL, Bench

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])


def evaluate(*options: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    required = ["--tenant", "acme", "--dataset", "support", "--assistant", "guide"]
    try:
        call_command("evaluate", *required, *options, stdout=out, stderr=err)
    except CommandError as problem:
        return problem.returncode, out.getvalue(), str(problem)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def two_models(bench: Bench, fake: FakeProvider) -> Bench:
    """The published version answers rightly, the draft wrongly."""
    from apps.gateway.services import models

    fake.script(MODEL, Script(text="It has 15 seats."))
    fake.script("forgetful", Script(text="No idea."))
    bench.add_cases("How many seats?", "And desks?", facts="15 seats")
    with tenant_tx():
        publish(assistant_id=bench.assistant.id)
        forgetful = models.create_model(
            provider_id=bench.model.provider_id,
            name="forgetful",
            context_tokens=8_000,
            max_output_tokens=1_000,
            input_price=Decimal(1),
            output_price=Decimal(1),
        )
        update_draft(assistant_id=bench.assistant.id, model_id=forgetful.id)
    return bench


@pytest.mark.usefixtures("two_models")
def test_a_run_without_baseline_reports_and_passes() -> None:
    code, out, err = evaluate()
    assert code == 0
    assert "Guide, version 1: 2 cases, 0 failed" in out
    assert "Facts: 2 of 2 passed, mean 100%" in out
    assert "2/2" in err


@pytest.mark.usefixtures("two_models")
def test_a_worse_draft_ends_with_1_and_names_what_regressed() -> None:
    code, out, _ = evaluate("--version", "draft", "--baseline", "published", "--json")
    result: dict[str, Any] = json.loads(out)
    assert code == 1
    assert result["regressed"] == ["Facts"]
    assert result["experiment"]["evaluators"][0]["passed_count"] == 0
    assert result["baseline"]["evaluators"][0]["passed_count"] == 2


@pytest.mark.usefixtures("two_models")
def test_a_version_that_is_not_worse_ends_with_0() -> None:
    code, out, _ = evaluate("--version", "1", "--baseline", "draft")
    assert code == 0
    assert "(baseline 0: not worse)" in out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tenant", "nobody"], "no tenant 'nobody'"),
        (["--dataset", "nothing"], "no data set named 'nothing'"),
        (["--assistant", "nobody"], "no such assistant"),
        (["--version", "newest"], "has the label 'newest'"),
        ([], "no cases yet"),
    ],
)
def test_what_cannot_run_ends_with_2_and_a_sentence(bench: Bench, options: list[str], sentence: str) -> None:
    code, _, problem = evaluate("--version", "draft", *options)
    assert code == 2
    assert sentence in problem


def test_no_answer_at_all_is_not_a_regression(bench: Bench, fake: FakeProvider) -> None:
    fake.script(MODEL, Script(fault="401"))
    bench.add_cases("How many seats?")
    code, _, problem = evaluate("--version", "draft")
    assert code == 2
    assert "No question was answered" in problem


def test_an_error_of_ours_is_not_a_regression(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.evaluations.services import running

    def fail(**arguments: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr(running, "run_experiment", fail)
    bench.add_cases("How many seats?")
    code, _, problem = evaluate("--version", "draft")
    assert code == 2
    assert "disk full" in problem


def test_an_organisation_without_evaluators_gets_the_two_to_start_with(two_models: Bench) -> None:
    with tenant_tx(two_models.assistant.tenant_id):
        for row in selectors.list_evaluators():
            evaluators.delete_evaluator(evaluator_id=row.id)
    code, out, _ = evaluate("--json")
    result: dict[str, Any] = json.loads(out)
    assert code == 0
    assert [one["name"] for one in result["experiment"]["evaluators"]] == ["Right fact", "Right source"]
