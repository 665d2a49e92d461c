"""Answers one planned case and has it judged.

Every step is written under the case's attempt number, so a worker that was thought dead cannot overwrite
its successor; a case interrupted after its answer is only judged again, not asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError
from django.db.models import F, Q
from django.utils import timezone

from apps.assistants.contracts import BoundCitation, VersionSpec
from apps.evaluations import selectors
from apps.evaluations.contracts import AnswerRecord, CaseSpec, CitedPassage, Score
from apps.evaluations.enums import CaseStatus, ExperimentStatus, ResultStatus
from apps.evaluations.models import PlannedCase, PlannedEvaluator, Result
from apps.evaluations.scorers import ScorerFailed, get_scorer
from apps.evaluations.services import experiments
from apps.evaluations.services.answering import Answered, ask
from apps.evaluations.services.judging import GatewayTools
from apps.gateway.contracts import Spender
from apps.gateway.services.spending import spending_for
from apps.knowledge import selectors as knowledge
from parley.db import in_thread
from parley.errors import NotFound, Problem
from parley.llm import LlmError
from parley.tenancy import tenant_tx

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 8
WAITING_SECONDS = 0.5
# Longer than the slowest model may take (300 s), shorter than the job's own limit.
CASE_SECONDS = 480

_INTERNAL_ERROR = "An error inside Parley stopped this; the log names it."


@dataclass(frozen=True, slots=True)
class _Claim:
    """The right to work on one case as attempt number `attempt`. `record` is an answer kept from before."""

    case_id: UUID
    experiment_id: UUID
    attempt: int
    version: VersionSpec
    case: CaseSpec
    record: AnswerRecord | None


class _CaseFailed(Exception):
    """The case cannot be answered; the message is the sentence the reader of the experiment gets."""


def evaluate_case(*, planned_case_id: UUID) -> UUID | None:
    """Answer and judge one case of an open experiment. Returns its id, or None when nothing is to do.

    Safe to call twice, also at once: a case under a live lease, a finished one and a closed experiment are
    left alone. Blocking; opens its own transactions, so call it outside one.
    """
    claim = _claim(planned_case_id)
    if claim is None:
        return None
    spender = Spender(assistant_id=claim.version.assistant_id)
    with (
        structlog.contextvars.bound_contextvars(planned_case_id=str(planned_case_id), attempt=claim.attempt),
        spending_for(spender),
    ):
        asyncio.run(_work_under_lease(claim))
    return claim.experiment_id


def run_experiment(*, experiment_id: UUID, on_progress: Callable[[int, int], None] | None = None) -> None:
    """Answer every case of an experiment in this process, and wait for those that a worker has taken.

    Blocking; returns when the experiment is closed. `on_progress` is told finished and total cases.
    """
    while True:
        experiments.drive_experiment(experiment_id=experiment_id, is_announcing=False)
        with tenant_tx():
            experiment = selectors.get_experiment(experiment_id)
            progress = selectors.get_progress(experiment)
            waiting = list(
                experiment.cases.filter(_is_free(timezone.now())).order_by("position").values_list("id", flat=True)
            )
        if on_progress is not None:
            on_progress(progress.finished, progress.total)
        if not experiment.is_open:
            return
        if not any(evaluate_case(planned_case_id=case_id) for case_id in waiting[:1]):
            time.sleep(WAITING_SECONDS)


def _is_free(now: datetime) -> Q:
    return Q(status=CaseStatus.PENDING) | Q(status=CaseStatus.RUNNING, lease_until__lt=now)


def _claim(case_id: UUID) -> _Claim | None:
    now = timezone.now()
    with tenant_tx():
        won = PlannedCase.objects.filter(
            _is_free(now), id=case_id, attempt__lt=experiments.MAX_ATTEMPTS, experiment__status=ExperimentStatus.RUNNING
        ).update(status=CaseStatus.RUNNING, attempt=F("attempt") + 1, lease_until=now + LEASE)
        if not won:
            return None
        row = PlannedCase.objects.select_related("experiment").get(id=case_id)
        return _Claim(
            case_id=row.id,
            experiment_id=row.experiment_id,
            attempt=row.attempt,
            version=VersionSpec.from_dict(row.experiment.version),
            case=row.spec,
            record=row.record if row.answered_at else None,
        )


async def _work_under_lease(claim: _Claim) -> None:
    heartbeat = asyncio.create_task(_keep_lease(claim))
    try:
        record = claim.record or await _answer_and_record(claim)
        await _judge(claim, record)
    except _CaseFailed as problem:
        await in_thread(_finish, claim, CaseStatus.FAILED, str(problem))
    else:
        await in_thread(_finish, claim, CaseStatus.DONE, "")
    finally:
        heartbeat.cancel()


async def _keep_lease(claim: _Claim) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        try:
            await in_thread(_update, claim, lease_until=timezone.now() + LEASE)
        except DatabaseError:
            # The next beat may get through; if none does, another worker takes over after the lease.
            log.warning("evaluation.lease_not_renewed", exc_info=True)


# -- answering ------------------------------------------------------------------


async def _answer_and_record(claim: _Claim) -> AnswerRecord:
    try:
        async with asyncio.timeout(CASE_SECONDS):
            answer = await _answer(claim)
    except _CaseFailed:
        raise
    except Problem as problem:
        raise _CaseFailed(problem.detail) from problem
    except LlmError as problem:
        raise _CaseFailed(problem.sentence) from problem
    except TimeoutError as problem:
        raise _CaseFailed(f"The answer took longer than {CASE_SECONDS // 60} minutes.") from problem
    except Exception as problem:
        log.exception("evaluation.case_failed")
        raise _CaseFailed(_INTERNAL_ERROR) from problem
    return await in_thread(_record_answer, claim, answer)


async def _answer(claim: _Claim) -> Answered:
    async with aclosing(ask(version=claim.version, question=claim.case.question)) as events:
        async for event in events:
            if isinstance(event, Answered):
                return event
    raise _CaseFailed("The assistant stopped without finishing its answer.")


def _record_answer(claim: _Claim, answer: Answered) -> AnswerRecord:
    finished = answer.finished
    with tenant_tx():
        record = AnswerRecord(text=finished.text, citations=tuple(_cited(finished.citations)))
        _write(
            claim,
            answer=finished.text,
            citations=[citation.as_dict() for citation in record.citations],
            model_label=finished.choice.label if finished.choice else "",
            first_words_ms=answer.first_words_ms,
            latency_ms=answer.latency_ms,
            input_tokens=finished.usage.input_tokens,
            output_tokens=finished.usage.output_tokens,
            cost=answer.cost,
            answered_at=timezone.now(),
        )
    return record


def _cited(citations: Sequence[BoundCitation]) -> Iterator[CitedPassage]:
    names: dict[UUID, str] = {}
    for citation in citations:
        source = citation.source
        if source.document_id not in names:
            names[source.document_id] = _document_name(source.document_id)
        yield CitedPassage(
            marker=citation.marker,
            document_id=source.document_id,
            title=source.title,
            text=source.text,
            name=names[source.document_id],
            location=source.location,
            quote=citation.quote,
        )


def _document_name(document_id: UUID) -> str:
    try:
        return knowledge.get_document(document_id).name
    except NotFound:
        # Deleted while it was being cited; its title is still known.
        return ""


# -- judging --------------------------------------------------------------------


async def _judge(claim: _Claim, record: AnswerRecord) -> None:
    tools = GatewayTools()
    for evaluator in await in_thread(_evaluators_without_verdict, claim):
        try:
            score = await get_scorer(evaluator.kind).score(claim.case, record, evaluator.settings, tools)
        except ScorerFailed as problem:
            await in_thread(_record_verdict, claim, evaluator.id, ResultStatus.FAILED, None, str(problem))
        except Exception:
            log.exception("evaluation.scorer_failed", kind=evaluator.kind)
            await in_thread(_record_verdict, claim, evaluator.id, ResultStatus.FAILED, None, _INTERNAL_ERROR)
        else:
            status = ResultStatus.SKIPPED if score.value is None else ResultStatus.SCORED
            await in_thread(_record_verdict, claim, evaluator.id, status, score, score.reason)


def _evaluators_without_verdict(claim: _Claim) -> list[PlannedEvaluator]:
    with tenant_tx():
        return list(
            PlannedEvaluator.objects.filter(experiment_id=claim.experiment_id).exclude(
                id__in=Result.objects.filter(case_id=claim.case_id).values("evaluator_id")
            )
        )


def _record_verdict(claim: _Claim, evaluator_id: UUID, status: ResultStatus, score: Score | None, reason: str) -> None:
    verdict = Result(
        experiment_id=claim.experiment_id,
        case_id=claim.case_id,
        evaluator_id=evaluator_id,
        status=status,
        value=score.value if score else None,
        is_passed=score.is_passed if score else False,
        reason=reason.replace("\x00", ""),
    )
    with tenant_tx():
        # A second worker's verdict on the same answer changes nothing.
        Result.objects.bulk_create([verdict], ignore_conflicts=True)


# -- rows -----------------------------------------------------------------------


def _finish(claim: _Claim, status: CaseStatus, error: str) -> None:
    _update(claim, status=status, error=error[:500], finished_at=timezone.now(), lease_until=None)


def _update(claim: _Claim, **columns: object) -> None:
    with tenant_tx():
        _write(claim, **columns)


def _write(claim: _Claim, **columns: object) -> None:
    """Write under the claim; a stale attempt changes nothing."""
    PlannedCase.objects.filter(id=claim.case_id, status=CaseStatus.RUNNING, attempt=claim.attempt).update(**columns)
