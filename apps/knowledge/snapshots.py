"""Reads about snapshots: which there are, what has changed since, and which questions find something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.knowledge.contracts import EDITORS, Passage
from apps.knowledge.enums import IndexState
from apps.knowledge.models import Chunk, SearchIndex, Snapshot
from apps.knowledge.retrieval.search import search
from parley.errors import Invalid, NotFound
from parley.tenancy import tenant_tx

MAX_QUESTIONS = 50
_COMPARED_RESULTS = 5


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What became of a document between two moments: the texts of passages that came and that went.

    `kind` is added, removed, changed or deleted; what was deleted is gone from snapshots, too.
    """

    document_id: UUID
    title: str
    kind: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuestionChange:
    """The best passages for a question then and now; `is_same` when texts and order agree."""

    question: str
    then: tuple[Passage, ...]
    now: tuple[Passage, ...]

    @property
    def is_same(self) -> bool:
        return [passage.text for passage in self.then] == [passage.text for passage in self.now]


def list_snapshots(*, knowledge_base_id: UUID) -> QuerySet[Snapshot]:
    """The snapshots of a base, newest first."""
    snapshots: QuerySet[Snapshot] = Snapshot.objects.filter(knowledge_base_id=knowledge_base_id).order_by("-number")
    return snapshots


def get_snapshot(snapshot_id: UUID) -> Snapshot:
    """A snapshot with its base. Raises `NotFound`."""
    snapshot: Snapshot | None = Snapshot.objects.select_related("knowledge_base").filter(id=snapshot_id).first()
    if snapshot is None:
        raise NotFound("There is no such snapshot.")
    return snapshot


def changes_since(snapshot: Snapshot, *, until: Snapshot | None = None) -> list[DocumentChange]:
    """What changed from a snapshot until another one of the same base, or until now; by title.

    Passages are compared by their text: a document that was read anew without a change is not named.
    """
    before = _chunks_at(snapshot.search_index_id, snapshot.revision)
    if until is not None:
        after = _chunks_at(until.search_index_id, until.revision)
    else:
        active = SearchIndex.objects.values_list("id", flat=True).get(
            knowledge_base_id=snapshot.knowledge_base_id, state=IndexState.ACTIVE
        )
        after = _chunks_at(active, None)
    old, new = _by_document(before), _by_document(after)
    changes = [_change(document_id, old.get(document_id), new.get(document_id)) for document_id in old | new]
    return sorted((change for change in changes if change is not None), key=lambda change: change.title.lower())


def compare_questions(snapshot: Snapshot, questions: Sequence[str]) -> list[QuestionChange]:
    """For each question what was found at a snapshot and what is found now, the changed ones first.

    Call it without a transaction. Raises `Invalid` for no question, or more than 50.
    """
    asked = list(dict.fromkeys(question for line in questions if (question := " ".join(line.split()))))
    if not asked or len(asked) > MAX_QUESTIONS:
        sentence = f"Write one question a line, {MAX_QUESTIONS} at most."
        raise Invalid(sentence, errors={"questions": [sentence]})
    base_id = snapshot.knowledge_base_id
    compared = [
        QuestionChange(
            question,
            then=tuple(
                search(
                    knowledge_base_ids=[base_id],
                    query=question,
                    limit=_COMPARED_RESULTS,
                    snapshot_ids=[snapshot.id],
                    audience=EDITORS,
                )
            ),
            now=tuple(search(knowledge_base_ids=[base_id], query=question, limit=_COMPARED_RESULTS, audience=EDITORS)),
        )
        for question in asked
    ]
    return sorted(compared, key=lambda change: change.is_same)


def questions_of(text: str) -> list[str]:
    """The questions of a text area, one a line."""
    return [line for line in text.splitlines() if line.strip()]


@dataclass(slots=True)
class _Texts:
    title: str
    is_deleted: bool
    texts: list[str]


def _chunks_at(search_index_id: UUID, revision: int | None) -> Iterable[Any]:
    valid = Q(valid_to=None)
    if revision is not None:
        valid = Q(valid_from__lte=revision) & (valid | Q(valid_to__gt=revision))
    with tenant_tx():
        return list(
            Chunk.objects.filter(valid, search_index_id=search_index_id)
            .select_related("document")
            .only("text", "document__title", "document__name", "document__deleted_at")
            .order_by("document_id", "ordinal")
        )


def _by_document(chunks: Iterable[Any]) -> dict[UUID, _Texts]:
    found: dict[UUID, _Texts] = {}
    for chunk in chunks:
        document = chunk.document
        entry = found.setdefault(document.id, _Texts(document.shown_title, document.deleted_at is not None, []))
        entry.texts.append(chunk.text)
    return found


def _change(document_id: UUID, old: _Texts | None, new: _Texts | None) -> DocumentChange | None:
    known = new or old
    if known is None:
        return None
    if known.is_deleted:
        return DocumentChange(document_id, known.title, "deleted", (), ()) if old else None
    before, after = Counter(old.texts if old else ()), Counter(new.texts if new else ())
    if before == after:
        return None
    kind = "added" if old is None else "removed" if new is None else "changed"
    added, removed = (after - before).elements(), (before - after).elements()
    return DocumentChange(document_id, known.title, kind, tuple(added), tuple(removed))
