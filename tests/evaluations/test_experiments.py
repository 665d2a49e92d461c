"""Experiments converge from their rows: whatever is repeated, lost or killed, each case counts once."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils import timezone

from apps.evaluations import selectors
from apps.evaluations.contracts import CaseSpec
from apps.evaluations.models import PlannedCase
from apps.evaluations.services import cases, evaluators, experiments, running
from apps.evaluations.tasks import sweep_experiments
from apps.gateway.services.budgets import set_limit
from parley.errors import Conflict, Invalid, NotFound
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx

from .conftest import MODEL, Bench

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "platform"])


def expire_lease(case_id: UUID) -> None:
    """What time does to the case of a dead worker."""
    with tenant_tx():
        PlannedCase.objects.filter(id=case_id).update(lease_until=timezone.now() - timedelta(seconds=1))


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


class TestRun:
    def test_every_case_is_answered_scored_and_paid_for_as_evaluation(self, bench: Bench, fake: FakeProvider) -> None:
        fake.script(MODEL, Script(text="It has 15 seats.", reported_input_tokens=40, reported_output_tokens=4))
        bench.add_cases("How many seats?", "How many desks?", facts="15 seats")
        bench.add_cases("What does it cost?", facts="30 dollars")
        experiment_id = bench.start(is_driven_by_jobs=True)

        experiment = bench.experiment(experiment_id)
        assert (experiment.status, experiment.done_count, experiment.failed_count) == ("completed", 3, 0)
        assert experiment.finished_at is not None
        assert bench.verdicts(experiment_id) == [
            (1, "contains", "scored", 1.0),
            (2, "contains", "scored", 1.0),
            (3, "contains", "scored", 0.0),
        ]
        case = bench.planned(experiment_id)[0]
        assert case.answer == "It has 15 seats."
        assert (case.input_tokens, case.output_tokens) == (40, 4)
        assert case.cost == Decimal("0.00008")
        assert case.latency_ms is not None
        assert bench.ledger() == [("evaluation", Decimal("0.00008"))] * 3
        with tenant_tx():
            (summary,) = selectors.summarise(experiment_id)
            progress = selectors.get_progress(experiment)
        assert (summary.passed_count, summary.scored_count, round(summary.mean or 0, 3)) == (2, 3, 0.667)
        assert (progress.cost, progress.share) == (Decimal("0.00024"), 1.0)

    def test_a_judge_scores_by_its_rubric_and_is_paid_for_apart(self, bench: Bench, fake: FakeProvider) -> None:
        verdict = {"verdicts": [{"criterion": 1, "met": True, "reason": "It does."}]}
        fake.script(MODEL, Script(text=json.dumps(verdict)))
        bench.add_evaluator("llm_judge", rubric="Answers the question.")
        bench.add_cases("How many seats?", facts="verdicts")
        experiment_id = bench.start(is_driven_by_jobs=True)
        assert bench.verdicts(experiment_id)[1] == (1, "llm_judge", "scored", 1.0)
        assert [purpose for purpose, _ in bench.ledger()] == ["evaluation", "judge"]
        assert "Met: Answers the question. It does." in [
            result.reason for case in bench.planned(experiment_id) for result in case.results.all()
        ]

    def test_a_judge_that_gives_no_verdict_fails_the_score_and_not_the_case(self, bench: Bench) -> None:
        bench.add_evaluator("llm_judge", rubric="Answers the question.")
        bench.add_cases("How many seats?")
        experiment_id = bench.start(is_driven_by_jobs=True)
        assert bench.verdicts(experiment_id) == [
            (1, "contains", "scored", 1.0),
            (1, "llm_judge", "failed", None),
        ]
        assert bench.experiment(experiment_id).done_count == 1

    def test_meaning_is_compared_by_the_local_model(self, bench: Bench, fake: FakeProvider) -> None:
        fake.script(MODEL, Script(text="Up to fifteen people can work in it."))
        bench.add_evaluator("semantic_similarity", threshold=0.4)
        bench.add_cases("How many?", facts="fifteen people can use it")
        bench.add_cases("How many?", facts="bananas grow in warm countries")
        experiment_id = bench.start(is_driven_by_jobs=True)
        close, far = (row for row in bench.verdicts(experiment_id) if row[1] == "semantic_similarity")
        assert close[3] is not None
        assert far[3] is not None
        assert close[3] > 0.5 > 0.3 > far[3]

    def test_a_case_that_cannot_be_answered_keeps_the_sentence(self, bench: Bench, fake: FakeProvider) -> None:
        fake.script(MODEL, Script(fault="401"))
        bench.add_cases("How many seats?")
        experiment_id = bench.start(is_driven_by_jobs=True)
        (case,) = bench.planned(experiment_id)
        assert case.status == "failed"
        assert case.error.endswith(".")
        assert bench.verdicts(experiment_id) == []
        assert bench.experiment(experiment_id).status == "completed"
        with tenant_tx():
            assert selectors.find_first_error(experiment_id) == case.error

    def test_a_spent_budget_fails_the_rest_with_its_sentence(self, bench: Bench) -> None:
        with tenant_tx():
            set_limit(limit=Decimal(0))
        bench.add_cases("How many seats?")
        (case,) = bench.planned(bench.start(is_driven_by_jobs=True))
        assert case.status == "failed"
        assert "budget" in case.error


class TestPlan:
    def test_later_changes_do_not_reach_a_started_experiment(self, bench: Bench, fake: FakeProvider) -> None:
        from apps.assistants.services.assistants import update_draft

        bench.add_cases("How many seats?", facts="first")
        experiment_id = bench.start()
        with tenant_tx():
            (case,) = selectors.list_cases(bench.dataset_id)
            cases.update_case(case_id=case.id, case=CaseSpec("Changed?", (("second",),)))
            evaluators.delete_evaluator(evaluator_id=bench.evaluator_ids[0])
            update_draft(assistant_id=bench.assistant.id, instructions="Be rude.")
        fake.script(MODEL, Script(text="first"))
        running.run_experiment(experiment_id=experiment_id)
        (planned,) = bench.planned(experiment_id)
        assert planned.question == "How many seats?"
        assert bench.verdicts(experiment_id) == [(1, "contains", "scored", 1.0)]
        assert "Help people." in str(fake.calls[0].body)

    def test_an_empty_plan_is_refused(self, bench: Bench) -> None:
        with pytest.raises(Invalid, match="no cases yet"):
            bench.start()
        bench.add_cases("How many seats?")
        bench.evaluator_ids.clear()
        with pytest.raises(Invalid, match="between 1 and 10 evaluators"):
            bench.start()
        bench.evaluator_ids.append(bench.dataset_id)
        with pytest.raises(NotFound, match="no such evaluator"):
            bench.start()

    def test_the_number_of_calls_is_known_before(self, bench: Bench) -> None:
        bench.add_evaluator("llm_judge")
        with tenant_tx():
            chosen = list(selectors.list_evaluators())
        assert experiments.count_model_calls(case_count=20, evaluators=chosen) == 40

    def test_states_of_an_assistant_are_named_by_words(self, bench: Bench) -> None:
        from apps.assistants.services.versions import publish

        with tenant_tx():
            with pytest.raises(Conflict, match="not been published"):
                selectors.get_version(assistant="guide")
            publish(assistant_id=bench.assistant.id)
            assert selectors.get_version(assistant="guide").number == 1
            assert selectors.get_version(assistant="guide", version="1").number == 1
            assert selectors.get_version(assistant="guide", version="draft").number is None
            with pytest.raises(NotFound, match="label 'newest'"):
                selectors.get_version(assistant="guide", version="newest")


class TestConvergence:
    """C-09 and S-03 for evaluations: rows are the truth, jobs are hints."""

    def test_a_redelivered_job_asks_and_scores_nothing_again(self, bench: Bench, fake: FakeProvider) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)
        assert running.evaluate_case(planned_case_id=case.id) == experiment_id
        assert running.evaluate_case(planned_case_id=case.id) is None
        assert len(fake.calls) == 1
        assert len(bench.verdicts(experiment_id)) == 1

    def test_a_case_in_other_hands_is_left_alone(self, bench: Bench, fake: FakeProvider) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)
        assert running._claim(case.id) is not None
        assert running.evaluate_case(planned_case_id=case.id) is None
        assert fake.calls == []

    def test_a_worker_killed_while_judging_is_not_asked_again(
        self, bench: Bench, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)

        async def die(*args: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(running, "_judge", die)
            with pytest.raises(Killed):
                running.evaluate_case(planned_case_id=case.id)
        expire_lease(case.id)
        running.run_experiment(experiment_id=experiment_id)

        (case,) = bench.planned(experiment_id)
        assert (case.status, case.attempt) == ("done", 2)
        assert len(fake.calls) == 1
        assert len(bench.ledger()) == 1
        assert bench.verdicts(experiment_id) == [(1, "contains", "scored", 1.0)]

    def test_a_worker_killed_while_answering_is_followed_by_another(
        self, bench: Bench, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)

        def die(*args: object) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(running, "_record_answer", die)
            with pytest.raises(Killed):
                running.evaluate_case(planned_case_id=case.id)
        expire_lease(case.id)
        sweep_experiments()

        experiment = bench.experiment(experiment_id)
        assert (experiment.status, experiment.done_count) == ("completed", 1)
        assert len(fake.calls) == 2

    def test_a_case_that_kills_its_workers_is_given_up(self, bench: Bench) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)
        for _ in range(experiments.MAX_ATTEMPTS):
            assert running._claim(case.id) is not None
            expire_lease(case.id)
        assert running._claim(case.id) is None
        sweep_experiments()
        (case,) = bench.planned(experiment_id)
        assert case.status == "failed"
        assert "stopped 3 times" in case.error
        assert bench.experiment(experiment_id).status == "completed"

    def test_a_zombie_cannot_overwrite_its_successor(self, bench: Bench) -> None:
        bench.add_cases("How many seats?")
        experiment_id = bench.start()
        (case,) = bench.planned(experiment_id)
        stale = running._claim(case.id)
        assert stale is not None
        expire_lease(case.id)
        assert running.evaluate_case(planned_case_id=case.id) == experiment_id
        running._update(stale, answer="from the dead")
        running._finish(stale, "failed", "from the dead")  # type: ignore[arg-type]
        (after,) = bench.planned(experiment_id)
        assert (after.status, after.error) == ("done", "")
        assert after.answer != "from the dead"

    def test_lost_jobs_are_announced_again_and_only_a_few_at_a_time(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        announced: list[str] = []
        monkeypatch.setattr(experiments, "enqueue", lambda name, **kw: announced.append(kw["planned_case_id"]))
        bench.add_cases(*[f"Question {number}?" for number in range(10)])
        experiment_id = bench.start()
        experiments.drive_experiment(experiment_id=experiment_id)
        experiments.drive_experiment(experiment_id=experiment_id)
        assert len(announced) == len(set(announced)) == experiments.ANNOUNCED_AT_ONCE
        with tenant_tx():
            PlannedCase.objects.update(announced_at=timezone.now() - 2 * experiments.ANNOUNCEMENT_LASTS)
        experiments.drive_experiment(experiment_id=experiment_id)
        assert len(announced) == 2 * experiments.ANNOUNCED_AT_ONCE

    def test_cancelling_keeps_what_there_is_and_starts_nothing_more(self, bench: Bench, fake: FakeProvider) -> None:
        bench.add_cases("One?", "Two?")
        experiment_id = bench.start()
        first, second = bench.planned(experiment_id)
        running.evaluate_case(planned_case_id=first.id)
        for _ in range(2):
            with tenant_tx():
                experiments.cancel_experiment(experiment_id=experiment_id)
        assert running.evaluate_case(planned_case_id=second.id) is None
        sweep_experiments()
        experiment = bench.experiment(experiment_id)
        assert (experiment.status, experiment.done_count) == ("cancelled", 1)
        assert len(fake.calls) == 1

    def test_a_finished_experiment_cannot_be_cancelled_and_a_running_one_not_deleted(self, bench: Bench) -> None:
        bench.add_cases("One?")
        experiment_id = bench.start()
        with tenant_tx(), pytest.raises(Conflict, match="still running"):
            experiments.delete_experiment(experiment_id=experiment_id)
        running.run_experiment(experiment_id=experiment_id)
        with tenant_tx(), pytest.raises(Conflict, match="already finished"):
            experiments.cancel_experiment(experiment_id=experiment_id)
        with tenant_tx():
            experiments.delete_experiment(experiment_id=experiment_id)
            with pytest.raises(NotFound):
                selectors.get_experiment(experiment_id)
