"""`manage.py evaluate`: runs an experiment, waits for it, and says whether anything got worse.

Exit codes: 0 passed, 1 regressed (an evaluator passed fewer cases than in the baseline), 2 could not run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.evaluations import selectors
from apps.evaluations.contracts import EvaluatorSummary
from apps.evaluations.services import evaluators, experiments, running
from apps.tenants import selectors as tenants
from parley.errors import NotFound, Problem, Unavailable
from parley.tenancy import tenant_tx, use_tenant

log = structlog.get_logger(__name__)

REGRESSED, COULD_NOT_RUN = 1, 2
BAR_LENGTH = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run gave."""

    experiment_id: UUID
    version: str
    case_count: int
    failed_count: int
    first_error: str
    evaluators: tuple[EvaluatorSummary, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One evaluator in both runs; regressed means fewer passed cases than the baseline."""

    evaluator: str
    passed_count: int
    baseline_passed_count: int

    @property
    def is_regressed(self) -> bool:
        return self.passed_count < self.baseline_passed_count


class Command(BaseCommand):
    help = "Run a data set over an assistant and wait. Exit code 0: passed, 1: regressed, 2: could not run."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Our `--version` takes the place of Django's, which prints Django's own."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("--assistant", required=True, metavar="SLUG")
        parser.add_argument("--version", default="published", help="published (default), draft, or a number")
        parser.add_argument("--baseline", default="", help="a version to compare with, as for --version")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outcome, baseline = self._run_all(**options)
        except Problem as problem:
            raise CommandError(problem.detail, returncode=COULD_NOT_RUN) from problem
        except Exception as problem:
            # Python's own exit code for an error is 1, which a pipeline would read as "regressed".
            log.exception("evaluate.failed")
            raise CommandError(f"The evaluation could not run: {problem}", returncode=COULD_NOT_RUN) from problem
        comparisons = _compare(outcome, baseline) if baseline else []
        self._report(outcome, baseline, comparisons, as_json=options["as_json"])
        if any(comparison.is_regressed for comparison in comparisons):
            sys.exit(REGRESSED)

    def _run_all(
        self, *, tenant: str, dataset: str, assistant: str, version: str, baseline: str, **options: Any
    ) -> tuple[Outcome, Outcome | None]:
        found = tenants.find_tenant(slug=tenant)
        if found is None:
            raise NotFound(f"There is no tenant {tenant!r}.")
        with use_tenant(found.id):
            before = self._run(dataset, assistant, baseline) if baseline else None
            return self._run(dataset, assistant, version), before

    def _run(self, dataset_name: str, assistant: str, version: str) -> Outcome:
        with tenant_tx():
            dataset = selectors.find_dataset(dataset_name)
            if dataset is None:
                raise NotFound(f"There is no data set named {dataset_name!r}.")
            experiment = experiments.start_experiment(
                version=selectors.get_version(assistant=assistant, version=version),
                dataset_id=dataset.id,
                evaluator_ids=evaluators.list_or_start_evaluators(),
                is_driven_by_jobs=False,
            )
        bar = ProgressBar(self.stderr, experiment.version_label)
        running.run_experiment(experiment_id=experiment.id, on_progress=bar.show)
        bar.close()
        outcome = _outcome(experiment.id)
        if outcome.failed_count == outcome.case_count:
            raise Unavailable(f"No question was answered. {outcome.first_error}")
        return outcome

    def _report(
        self, outcome: Outcome, baseline: Outcome | None, comparisons: list[Comparison], *, as_json: bool
    ) -> None:
        if as_json:
            regressed = [comparison.evaluator for comparison in comparisons if comparison.is_regressed]
            result = {
                "experiment": _as_json(outcome),
                "baseline": _as_json(baseline) if baseline else None,
                "regressed": regressed,
            }
            self.stdout.write(json.dumps(result, default=str))
            return
        for line in _lines(outcome, comparisons):
            self.stdout.write(line)


class ProgressBar:
    """One line that is drawn over on a terminal, and written once at the end elsewhere."""

    def __init__(self, out: Any, title: str) -> None:
        self._out = out
        self._title = title
        self._is_terminal = bool(getattr(out, "isatty", lambda: False)())
        self._last = ""

    def show(self, finished: int, total: int) -> None:
        """Draw the bar."""
        filled = BAR_LENGTH * finished // max(total, 1)
        self._last = f"{self._title} [{'#' * filled}{'.' * (BAR_LENGTH - filled)}] {finished}/{total}"
        if self._is_terminal:
            self._out.write(f"\r{self._last}", ending="")

    def close(self) -> None:
        """End the line."""
        self._out.write("" if self._is_terminal else self._last)


def _outcome(experiment_id: UUID) -> Outcome:
    with tenant_tx():
        experiment = selectors.get_experiment(experiment_id)
        progress = selectors.get_progress(experiment)
        return Outcome(
            experiment_id=experiment.id,
            version=experiment.version_label,
            case_count=progress.total,
            failed_count=progress.failed,
            first_error=selectors.find_first_error(experiment.id),
            evaluators=tuple(selectors.summarise(experiment.id)),
        )


def _compare(outcome: Outcome, baseline: Outcome) -> list[Comparison]:
    before = {summary.name: summary.passed_count for summary in baseline.evaluators}
    return [
        Comparison(summary.name, summary.passed_count, before.get(summary.name, 0)) for summary in outcome.evaluators
    ]


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome)


def _lines(outcome: Outcome, comparisons: list[Comparison]) -> Iterator[str]:
    before = {comparison.evaluator: comparison for comparison in comparisons}
    yield f"{outcome.version}: {outcome.case_count} cases, {outcome.failed_count} failed"
    for summary in outcome.evaluators:
        mean = "–" if summary.mean is None else f"{summary.mean:.0%}"
        line = f"  {summary.name}: {summary.passed_count} of {summary.scored_count} passed, mean {mean}"
        if comparison := before.get(summary.name):
            word = "regressed" if comparison.is_regressed else "not worse"
            line += f" (baseline {comparison.baseline_passed_count}: {word})"
        yield line
