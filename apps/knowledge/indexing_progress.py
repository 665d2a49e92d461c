"""How far the indexing of documents is, as their jobs tell it. Callers are inside `tenant_tx()`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from apps.knowledge.job_kinds import INDEX_JOB
from apps.knowledge.models import Document
from apps.knowledge.policies import is_unfinished
from parley.jobs import selectors
from parley.jobs.enums import JobState


@dataclass(frozen=True, slots=True)
class IndexingProgress:
    """`done` of `total` chunks of the running stage; both 0 where a stage has nothing to count.

    `seconds_left` is an estimate for that stage, None while it would be a guess.
    """

    done: int
    total: int
    seconds_left: float | None
    is_paused: bool


def find_indexing_progress(documents: Iterable[Document]) -> dict[UUID, IndexingProgress]:
    """The progress of each document that is not finished, with one query for all of them."""
    waited_for = [document.id for document in documents if is_unfinished(document)]
    if not waited_for:
        return {}
    return {
        document_id: IndexingProgress(
            done=job.done_units,
            total=job.total_units,
            seconds_left=selectors.seconds_left(job),
            is_paused=job.state == JobState.PAUSED,
        )
        for document_id, job in selectors.open_jobs_of(INDEX_JOB, waited_for).items()
    }
