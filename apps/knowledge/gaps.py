"""Answer gaps: what people asked lately and got no answer to, the same needs put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from django.db.models import Q
from django.utils import timezone

from apps.knowledge.clustering import group_by_meaning
from apps.knowledge.ingest.question_answer import plain_question
from apps.knowledge.models import RecordedSearch

LOOKED_BACK = timedelta(days=30)
EXAMPLES = 5
# The newest ones; a base with more has work enough.
MAX_SEARCHES = 2_000
MAX_QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class Gap:
    """One need without an answer.

    `count` is how often it was asked, `questions` the different ways, most asked first, and `search_ids` a recorded
    search for each of them, in the same order.
    """

    count: int
    newest_at: datetime
    questions: tuple[str, ...]
    search_ids: tuple[UUID, ...]

    @property
    def examples(self) -> tuple[str, ...]:
        """A few of the questions."""
        return self.questions[:EXAMPLES]

    @property
    def more(self) -> int:
        """How many ways to ask the examples leave out."""
        return len(self.questions) - len(self.examples)


@dataclass(slots=True)
class _Asked:
    """One question, however often and in whatever case it was asked; `newest` is its latest search."""

    newest: RecordedSearch
    count: int = 0
    is_dismissed: bool = False


def list_gaps(*, knowledge_base_id: UUID) -> list[Gap]:
    """The needs of the last 30 days without an answer, most asked first.

    A question that was dismissed stays away while the history knows it, also when it is asked again. Inside the
    caller's transaction.
    """
    asked = [question for question in _unanswered(knowledge_base_id) if not question.is_dismissed]
    # The most asked lead, so that a group is around them and not around a stray.
    asked.sort(key=lambda question: -question.count)
    gaps = [_gap([asked[row] for row in group]) for group in _groups(asked)]
    return sorted(gaps, key=lambda gap: (gap.count, gap.newest_at), reverse=True)


def count_dismissed(*, knowledge_base_id: UUID) -> int:
    """How many questions of a base are dismissed."""
    dismissed = RecordedSearch.objects.filter(knowledge_base_id=knowledge_base_id, dismissed_at__isnull=False)
    count: int = dismissed.count()
    return count


def _unanswered(knowledge_base_id: UUID) -> list[_Asked]:
    # Dismissed ones are wanted whatever their age.
    is_lately = Q(created_at__gte=timezone.now() - LOOKED_BACK) | Q(dismissed_at__isnull=False)
    found_nothing = Q(is_refusal=True) | Q(found_count=0)
    rows = RecordedSearch.objects.filter(is_lately, found_nothing, knowledge_base_id=knowledge_base_id)
    asked: dict[str, _Asked] = {}
    for row in rows.order_by("-id")[:MAX_SEARCHES]:
        question = asked.setdefault(plain_question(row.question), _Asked(newest=row))
        question.count += 1
        question.is_dismissed = question.is_dismissed or row.dismissed_at is not None
    return list(asked.values())[:MAX_QUESTIONS]


def _groups(asked: Sequence[_Asked]) -> list[list[int]]:
    """Rows of what means the same; a question without a vector stands alone."""
    with_vector = [row for row, question in enumerate(asked) if question.newest.embedding is not None]
    alone = [[row] for row, question in enumerate(asked) if question.newest.embedding is None]
    if not with_vector:
        return alone
    vectors = np.asarray([asked[row].newest.embedding for row in with_vector], dtype=np.float32)
    groups = group_by_meaning(vectors, [asked[row].count for row in with_vector])
    return [[with_vector[place] for place in group] for group in groups] + alone


def _gap(asked: Sequence[_Asked]) -> Gap:
    return Gap(
        count=sum(question.count for question in asked),
        newest_at=max(question.newest.created_at for question in asked),
        questions=tuple(question.newest.question for question in asked),
        search_ids=tuple(question.newest.id for question in asked),
    )
