"""Compares search settings on questions whose document is known; changes nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.knowledge.contracts import Tuning
from apps.knowledge.models import Document
from apps.knowledge.retrieval.search import consider
from apps.knowledge.retrieval.tuning import tune
from apps.knowledge.selectors import get_knowledge_base, get_retrieval_settings
from parley.errors import Invalid
from parley.tenancy import tenant_tx

MIN_CASES, MAX_CASES = 20, 200


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question and the document that answers it: its title, its file's name or its id."""

    question: str
    document: str


def propose_tuning(*, knowledge_base_id: UUID, questions: Sequence[LabelledQuestion]) -> Tuning:
    """What the questions suggest for the base; those whose document it does not hold are left out.

    Call it without a transaction: each question is embedded and searched for. Raises `NotFound`; `Invalid` for too
    few questions to tell chance from gain.
    """
    with tenant_tx():
        base = get_knowledge_base(knowledge_base_id)
        present = get_retrieval_settings(base.id)
        documents = Document.objects.filter(knowledge_base=base, deleted_at=None)
        names: dict[str, set[UUID]] = {}
        for document in documents.only("id", "name", "title"):
            for name in (document.name, document.title, str(document.id)):
                if name:
                    names.setdefault(name.casefold(), set()).add(document.id)
    known = [(each.question, names.get(each.document.strip().casefold(), set())) for each in questions]
    usable = [(question, expected) for question, expected in known if expected][:MAX_CASES]
    if len(usable) < MIN_CASES:
        raise Invalid(
            f"{len(usable)} test cases name a document of this knowledge base; {MIN_CASES} are needed to tell gain "
            "from chance. Save more questions as evaluation cases, each with the document it expects."
        )
    cases = [
        consider(knowledge_base_id=base.id, query=question, settings=present, expected=frozenset(expected))
        for question, expected in usable
    ]
    return tune(cases, vector_weight=present.vector_weight)
