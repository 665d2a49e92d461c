"""Reads of evaluations, for doors and services alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Avg, Count, Model, Prefetch, Q, QuerySet, Sum

from apps.assistants import selectors as assistants
from apps.assistants.contracts import VersionSpec
from apps.evaluations.contracts import EvaluatorSummary
from apps.evaluations.enums import CaseStatus, ExperimentStatus, ResultStatus
from apps.evaluations.models import Case, Dataset, Evaluator, Experiment, PlannedCase, Result
from parley.errors import NotFound

M = TypeVar("M", bound=Model)


def list_datasets() -> QuerySet[Dataset]:
    """Data sets with `case_count`."""
    return Dataset.objects.annotate(case_count=Count("cases")).order_by("name")


def get_dataset(dataset_id: UUID) -> Dataset:
    """Raises `NotFound`."""
    return _get(list_datasets(), dataset_id, "data set")


def find_dataset(name: str) -> Dataset | None:
    """The data set of a name, whatever its letter case; the exact one wins."""
    found = list(list_datasets().filter(name__iexact=name.strip()))
    return next((dataset for dataset in found if dataset.name == name.strip()), found[0] if found else None)


def list_cases(dataset_id: UUID) -> QuerySet[Case]:
    """The cases of a data set in the order they were added."""
    return Case.objects.filter(dataset_id=dataset_id).order_by("id")


def get_case(case_id: UUID, *, dataset_id: UUID | None = None) -> Case:
    """A case, of a certain data set if one is given. Raises `NotFound`."""
    cases = Case.objects.select_related("dataset")
    if dataset_id is not None:
        cases = cases.filter(dataset_id=dataset_id)
    return _get(cases, case_id, "case")


def list_evaluators() -> QuerySet[Evaluator]:
    """Evaluators by name."""
    return Evaluator.objects.order_by("name")


def get_evaluator(evaluator_id: UUID) -> Evaluator:
    """Raises `NotFound`."""
    return _get(Evaluator.objects.all(), evaluator_id, "evaluator")


def list_experiments() -> QuerySet[Experiment]:
    """Experiments, newest first, with `done_count` and `failed_count` of their cases."""
    return Experiment.objects.annotate(
        done_count=Count("cases", filter=Q(cases__status=CaseStatus.DONE)),
        failed_count=Count("cases", filter=Q(cases__status=CaseStatus.FAILED)),
    ).order_by("-id")


def get_experiment(experiment_id: UUID) -> Experiment:
    """Raises `NotFound`."""
    return _get(list_experiments(), experiment_id, "experiment")


def find_latest_experiment(*, dataset_id: UUID, assistant_id: UUID) -> Experiment | None:
    """The newest experiment of this data set and assistant."""
    return list_experiments().filter(dataset_id=dataset_id, assistant_id=assistant_id).first()


def list_planned_cases(experiment_id: UUID, *, only_problems: bool = False) -> QuerySet[PlannedCase]:
    """The cases of an experiment in order, each with its verdicts in the order of the evaluators.

    `only_problems` leaves the cases that failed, and those that an evaluator did not pass.
    """
    cases = PlannedCase.objects.filter(experiment_id=experiment_id)
    if only_problems:
        not_passed = Result.objects.filter(experiment_id=experiment_id, is_passed=False).exclude(
            status=ResultStatus.SKIPPED
        )
        cases = cases.filter(Q(status=CaseStatus.FAILED) | Q(id__in=not_passed.values("case_id")))
    return cases.order_by("position").prefetch_related(Prefetch("results", queryset=_verdicts()))


def get_planned_case(planned_case_id: UUID) -> PlannedCase:
    """One case of an experiment with its verdicts. Raises `NotFound`."""
    cases = PlannedCase.objects.select_related("experiment")
    return _get(cases.prefetch_related(Prefetch("results", queryset=_verdicts())), planned_case_id, "answer")


def find_neighbours(case: PlannedCase) -> tuple[UUID | None, UUID | None]:
    """Ids of the cases before and after this one in its experiment."""
    near = dict(
        PlannedCase.objects.filter(
            experiment_id=case.experiment_id, position__in=[case.position - 1, case.position + 1]
        ).values_list("position", "id")
    )
    return near.get(case.position - 1), near.get(case.position + 1)


def _verdicts() -> QuerySet[Result]:
    return Result.objects.select_related("evaluator").order_by("evaluator__position")


def get_version(*, assistant: str, version: str = "published") -> VersionSpec:
    """The state of an assistant (slug or id) named by "published", "draft", a version's number or a label.

    Raises `NotFound`, `Conflict` when nothing is published yet.
    """
    match version.strip().lower():
        case "published" | "":
            return assistants.get_published_spec(assistant)
        case "draft":
            return assistants.get_draft_spec(assistant)
        case number if number.isdecimal():
            row = assistants.get_assistant(assistant)
            return assistants.version_spec(assistants.get_version(row, int(number)), row)
        case label:
            return assistants.get_labelled_spec(assistant, label)


def find_first_error(experiment_id: UUID) -> str:
    """The sentence of the first case that failed; "" when none did."""
    failed = PlannedCase.objects.filter(experiment_id=experiment_id, status=CaseStatus.FAILED)
    return failed.order_by("position").values_list("error", flat=True).first() or ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an experiment is, in cases, and what its answers took and cost so far."""

    total: int
    done: int
    failed: int
    cost: Decimal
    mean_latency_ms: float | None

    @property
    def finished(self) -> int:
        """Cases that need no more work."""
        return self.done + self.failed

    @property
    def share(self) -> float:
        """0..1."""
        return self.finished / self.total if self.total else 1.0

    @property
    def sentence(self) -> str:
        """For people: "7 of 20 cases"."""
        return f"{self.finished:,} of {self.total:,} cases"


def get_progress(experiment: Experiment) -> Progress:
    """One query, whatever the number of cases."""
    counts = PlannedCase.objects.filter(experiment_id=experiment.id).aggregate(
        done=Count("id", filter=Q(status=CaseStatus.DONE)),
        failed=Count("id", filter=Q(status=CaseStatus.FAILED)),
        cost=Sum("cost"),
        latency=Avg("latency_ms"),
    )
    return Progress(
        total=experiment.case_count,
        done=counts["done"],
        failed=counts["failed"],
        cost=counts["cost"] or Decimal(0),
        mean_latency_ms=counts["latency"],
    )


def summarise(experiment_id: UUID) -> list[EvaluatorSummary]:
    """Mean and counts per evaluator, in their order. Skipped and failed verdicts do not enter the mean."""
    return summarise_many([experiment_id]).get(experiment_id, [])


def summarise_many(experiment_ids: list[UUID]) -> dict[UUID, list[EvaluatorSummary]]:
    """`summarise` for several experiments in one query."""
    planned = (
        Experiment.objects.filter(id__in=experiment_ids, evaluators__isnull=False)
        .values("id", "evaluators__id", "evaluators__name", "evaluators__kind", "evaluators__position")
        .order_by("id", "evaluators__position")
    )
    rows: dict[UUID, Mapping[str, Any]] = {
        row["evaluator_id"]: row
        for row in Result.objects.filter(experiment_id__in=experiment_ids)
        .values("evaluator_id")
        .annotate(
            mean=Avg("value"),
            passed=Count("id", filter=Q(is_passed=True)),
            scored=Count("id", filter=Q(status=ResultStatus.SCORED)),
            skipped=Count("id", filter=Q(status=ResultStatus.SKIPPED)),
            failed=Count("id", filter=Q(status=ResultStatus.FAILED)),
        )
    }
    summaries: dict[UUID, list[EvaluatorSummary]] = {}
    for plan in planned:
        row = rows.get(plan["evaluators__id"], {})
        summaries.setdefault(plan["id"], []).append(
            EvaluatorSummary(
                evaluator_id=plan["evaluators__id"],
                name=plan["evaluators__name"],
                kind=plan["evaluators__kind"],
                mean=row.get("mean"),
                passed_count=row.get("passed", 0),
                scored_count=row.get("scored", 0),
                skipped_count=row.get("skipped", 0),
                failed_count=row.get("failed", 0),
            )
        )
    return summaries


def list_open_experiments_across_tenants() -> list[tuple[UUID, UUID]]:
    """(tenant id, experiment id) of every open experiment, oldest first, for the sweeper."""
    return list(
        Experiment.across_tenants.filter(status=ExperimentStatus.RUNNING)
        .order_by("created_at")
        .values_list("tenant_id", "id")
    )


def _get(rows: QuerySet[M], row_id: UUID, noun: str) -> M:
    row = rows.filter(id=row_id).first()
    if row is None:
        raise NotFound(f"There is no such {noun}.")
    return row
