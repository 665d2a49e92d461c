"""Hands the test cases that expect a document to the tuning of a knowledge base's search."""

from __future__ import annotations

from uuid import UUID

from apps.evaluations.models import Case
from apps.knowledge.contracts import Tuning
from apps.knowledge.services.tuning import LabelledQuestion, propose_tuning
from parley.tenancy import tenant_tx

_MOST_CASES = 2_000


def tune_from_cases(*, knowledge_base_id: UUID) -> Tuning:
    """What all test cases of the organisation suggest for a base, each question once. Raises as `propose_tuning`."""
    with tenant_tx():
        rows = Case.objects.exclude(expected_document="").order_by("-id")
        newest = rows.values_list("question", "expected_document")[:_MOST_CASES]
        questions = list({question.casefold(): LabelledQuestion(question, name) for question, name in newest}.values())
    return propose_tuning(knowledge_base_id=knowledge_base_id, questions=questions)
