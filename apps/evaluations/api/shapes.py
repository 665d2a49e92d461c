"""What the JSON door answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.evaluations.contracts import EvaluatorSummary
from apps.evaluations.models import Case, Dataset, Evaluator, Experiment, PlannedCase


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    """A data set with its number of cases."""
    return {
        "id": str(dataset.id),
        "name": dataset.name,
        "description": dataset.description,
        "case_count": getattr(dataset, "case_count", 0),
        "created_at": dataset.created_at,
        "updated_at": dataset.updated_at,
    }


def case_json(case: Case) -> dict[str, Any]:
    """A case; `expected_facts` is a list of lists of wordings."""
    return {
        "id": str(case.id),
        "dataset_id": str(case.dataset_id),
        "question": case.question,
        "expected_facts": case.expected_facts,
        "expected_document": case.expected_document,
        "notes": case.notes,
        "source": case.source,
        "message_id": str(case.message_id) if case.message_id else None,
        "created_at": case.created_at,
    }


def evaluator_json(evaluator: Evaluator) -> dict[str, Any]:
    """An evaluator with every setting of its kind."""
    return {
        "id": str(evaluator.id),
        "name": evaluator.name,
        "kind": evaluator.kind,
        "settings": evaluator.settings,
        "created_at": evaluator.created_at,
    }


def experiment_json(experiment: Experiment, summaries: Sequence[EvaluatorSummary]) -> dict[str, Any]:
    """An experiment with its progress (0..1) and one summary per evaluator."""
    done, failed = getattr(experiment, "done_count", 0), getattr(experiment, "failed_count", 0)
    return {
        "id": str(experiment.id),
        "name": experiment.name,
        "status": experiment.status,
        "assistant_id": str(experiment.assistant_id),
        "version_id": experiment.version["version_id"],
        "version": experiment.version["number"] or "draft",
        "dataset_id": str(experiment.dataset_id) if experiment.dataset_id else None,
        "dataset": experiment.dataset_name,
        "case_count": experiment.case_count,
        "done_count": done,
        "failed_count": failed,
        "progress": (done + failed) / experiment.case_count if experiment.case_count else 1.0,
        "evaluators": [_summary_json(summary) for summary in summaries],
        "created_at": experiment.created_at,
        "finished_at": experiment.finished_at,
    }


def _summary_json(summary: EvaluatorSummary) -> dict[str, Any]:
    return {
        "id": str(summary.evaluator_id),
        "name": summary.name,
        "kind": summary.kind,
        "mean": summary.mean,
        "passed_count": summary.passed_count,
        "scored_count": summary.scored_count,
        "skipped_count": summary.skipped_count,
        "failed_count": summary.failed_count,
    }


def result_json(case: PlannedCase) -> dict[str, Any]:
    """One case of an experiment: what was expected, what was answered, what each evaluator says."""
    return {
        "id": str(case.id),
        "case_id": str(case.case_id),
        "status": case.status,
        "question": case.question,
        "expected_facts": case.expected_facts,
        "expected_document": case.expected_document,
        "answer": case.answer,
        "citations": case.citations,
        "model": case.model_label,
        "latency_ms": case.latency_ms,
        "first_words_ms": case.first_words_ms,
        "input_tokens": case.input_tokens,
        "output_tokens": case.output_tokens,
        "cost": format(case.cost.normalize(), "f"),
        "error": case.error,
        "scores": [
            {
                "evaluator_id": str(result.evaluator_id),
                "evaluator": result.evaluator.name,
                "status": result.status,
                "value": result.value,
                "passed": result.is_passed,
                "reason": result.reason,
            }
            for result in case.results.all()
        ],
    }
