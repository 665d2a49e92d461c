"""Starting, driving and ending experiments. The rows are the plan and the truth; jobs only carry hints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import structlog
from django.db.models import F, Q
from django.utils import timezone

from apps.assistants.contracts import VersionSpec
from apps.evaluations import selectors
from apps.evaluations.enums import CaseStatus, ExperimentStatus
from apps.evaluations.models import NAME_LENGTH, Case, Evaluator, Experiment, PlannedCase, PlannedEvaluator
from apps.evaluations.scorers import get_scorer
from apps.evaluations.services.fields import clean_name
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid, NotFound
from parley.jobs import enqueue
from parley.tenancy import tenant_tx
from parley.web.actors import current_actor

log = structlog.get_logger(__name__)

MAX_EVALUATORS = 10
# A case whose worker died this often is given up: whatever kills workers should not do so for ever.
MAX_ATTEMPTS = 3
# Few cases of one experiment wait in the queue at a time, so that other tenants' jobs are not far behind.
ANNOUNCED_AT_ONCE = 4
# A job that has not begun after this long was lost or stands in a long queue; announcing twice is harmless.
ANNOUNCEMENT_LASTS = timedelta(seconds=60)


def start_experiment(
    *,
    version: VersionSpec,
    dataset_id: UUID,
    evaluator_ids: Sequence[UUID],
    name: str = "",
    model_id: UUID | None = None,
    is_driven_by_jobs: bool = True,
) -> Experiment:
    """Freeze cases, evaluators and the assistant's state as rows, and announce the first cases.

    `model_id` lets another model answer than the version names.

    With `is_driven_by_jobs` False the caller answers the cases itself (`running.evaluate_case`); the sweeper
    may still join in, which is harmless. Raises `Invalid` for an empty plan, `NotFound`.
    """
    if model_id is not None:
        version = replace(version, model_id=model_id)
    dataset = selectors.get_dataset(dataset_id)
    cases = list(selectors.list_cases(dataset_id))
    if not cases:
        raise Invalid(f"{dataset.name} has no cases yet. Add some first.", errors={"dataset": ["Add cases first."]})
    evaluators = _evaluators(evaluator_ids)
    actor = current_actor()
    label = _version_label(version)
    experiment = Experiment.objects.create(
        name=clean_name(name or f"{dataset.name} · {label}"[:NAME_LENGTH], "experiment"),
        dataset=dataset,
        dataset_name=dataset.name,
        assistant_id=version.assistant_id,
        version=version.as_dict(),
        version_label=label,
        case_count=len(cases),
        started_by=actor.label if actor else "",
    )
    _freeze(experiment, cases, evaluators)
    audit.record(
        action="experiment.started",
        target=experiment,
        after={"cases": len(cases), "evaluators": len(evaluators)},
    )
    if is_driven_by_jobs:
        enqueue("evaluations.drive_experiment", experiment_id=str(experiment.id))
    return experiment


def count_model_calls(*, case_count: int, evaluators: Sequence[Evaluator]) -> int:
    """How many model calls a plan makes: one answer per case, and the judge's calls."""
    return case_count * (1 + sum(get_scorer(evaluator.kind).judge_calls for evaluator in evaluators))


def drive_experiment(*, experiment_id: UUID, is_announcing: bool = True) -> None:
    """Bring an open experiment forward from what its rows say; safe at any time and from anywhere.

    Gives up cases that killed their worker too often, announces waiting ones (unless the caller answers them
    itself), closes a finished experiment. Opens its own transaction.
    """
    with tenant_tx():
        experiment = Experiment.objects.select_for_update().filter(id=experiment_id).first()
        if experiment is None or not experiment.is_open:
            return
        _give_up_poisonous_cases(experiment)
        if _close_when_finished(experiment):
            return
        if not is_announcing:
            return
        for case_id in _announce(experiment):
            enqueue("evaluations.evaluate_case", planned_case_id=str(case_id))


def cancel_experiment(*, experiment_id: UUID) -> Experiment:
    """Stop an experiment; what was answered stays, cases under way still finish. Repeating changes nothing.

    Raises `NotFound`, or `Conflict` when it has completed.
    """
    experiment = Experiment.objects.select_for_update().filter(id=experiment_id).first()
    if experiment is None:
        raise NotFound("There is no such experiment.")
    if experiment.status == ExperimentStatus.COMPLETED:
        raise Conflict("The experiment has already finished.")
    if experiment.is_open:
        _close(experiment, ExperimentStatus.CANCELLED)
        audit.record(action="experiment.cancelled", target=experiment)
    return selectors.get_experiment(experiment_id)


def delete_experiment(*, experiment_id: UUID) -> None:
    """Remove an experiment with its answers and verdicts. Raises `NotFound`, `Conflict` while it runs."""
    experiment = selectors.get_experiment(experiment_id)
    if experiment.is_open:
        raise Conflict("The experiment is still running. Cancel it first.")
    audit.record(action="experiment.deleted", target=experiment.name)
    Experiment.objects.get(id=experiment_id).delete()


def _evaluators(evaluator_ids: Sequence[UUID]) -> list[Evaluator]:
    wanted = list(dict.fromkeys(evaluator_ids))
    found = {evaluator.id: evaluator for evaluator in Evaluator.objects.filter(id__in=wanted)}
    missing = [str(wish) for wish in wanted if wish not in found]
    if missing:
        raise NotFound(f"There is no such evaluator: {', '.join(missing)}.")
    if not 1 <= len(wanted) <= MAX_EVALUATORS:
        sentence = f"Choose between 1 and {MAX_EVALUATORS} evaluators."
        raise Invalid(sentence, errors={"evaluators": [sentence]})
    return [found[wish] for wish in wanted]


def _version_label(version: VersionSpec) -> str:
    state = "draft" if version.number is None else f"version {version.number}"
    return f"{version.name}, {state}"[:NAME_LENGTH]


def _freeze(experiment: Experiment, cases: Sequence[Case], evaluators: Sequence[Evaluator]) -> None:
    PlannedEvaluator.objects.bulk_create(
        PlannedEvaluator(
            experiment=experiment,
            position=position,
            evaluator_id=evaluator.id,
            name=evaluator.name,
            kind=evaluator.kind,
            settings=evaluator.settings,
        )
        for position, evaluator in enumerate(evaluators)
    )
    PlannedCase.objects.bulk_create(
        (
            PlannedCase(
                experiment=experiment,
                position=position,
                case_id=case.id,
                question=case.question,
                expected_facts=case.expected_facts,
                expected_document=case.expected_document,
                notes=case.notes,
            )
            for position, case in enumerate(cases, 1)
        ),
        batch_size=500,
    )


def _give_up_poisonous_cases(experiment: Experiment) -> None:
    given_up = experiment.cases.filter(
        status=CaseStatus.RUNNING, lease_until__lt=timezone.now(), attempt__gte=MAX_ATTEMPTS
    ).update(
        status=CaseStatus.FAILED,
        finished_at=timezone.now(),
        error=f"The worker stopped {MAX_ATTEMPTS} times while answering this case, so it was given up.",
    )
    if given_up:
        log.warning("evaluation.case_given_up", experiment_id=str(experiment.id), count=given_up)


def _close_when_finished(experiment: Experiment) -> bool:
    if experiment.cases.filter(status__in=[CaseStatus.PENDING, CaseStatus.RUNNING]).exists():
        return False
    _close(experiment, ExperimentStatus.COMPLETED)
    return True


def _close(experiment: Experiment, status: ExperimentStatus) -> None:
    experiment.status = status
    experiment.finished_at = timezone.now()
    experiment.save(update_fields=["status", "finished_at"])
    log.info("evaluation.experiment_closed", experiment_id=str(experiment.id), status=str(status))


def _announce(experiment: Experiment) -> list[UUID]:
    now = timezone.now()
    is_leased = Q(status=CaseStatus.RUNNING, lease_until__gte=now)
    is_announced = Q(announced_at__gte=now - ANNOUNCEMENT_LASTS)
    under_way = experiment.cases.filter(is_leased | (Q(status=CaseStatus.PENDING) & is_announced)).count()
    free = ANNOUNCED_AT_ONCE - under_way
    if free <= 0:
        return []
    is_waiting = Q(status=CaseStatus.PENDING) | Q(status=CaseStatus.RUNNING, lease_until__lt=now)
    chosen = list(
        experiment.cases.filter(is_waiting)
        .exclude(is_announced & Q(status=CaseStatus.PENDING))
        .order_by(F("announced_at").asc(nulls_first=True), "position")
        .values_list("id", flat=True)[:free]
    )
    experiment.cases.filter(id__in=chosen).update(announced_at=now)
    return chosen
