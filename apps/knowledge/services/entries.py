"""Questions and answers that people type in: FAQ entries, and curated answers with an approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.gateway.services import embeddings
from apps.knowledge.enums import DocumentKind, EntryKind
from apps.knowledge.ingest.blocks import Unreadable, clean, clean_code
from apps.knowledge.ingest.question_answer import as_markdown, plain_question, problem_of, read_lines
from apps.knowledge.models import Document, Entry, EntryPhrasing
from apps.knowledge.selectors import get_entry, get_knowledge_base
from apps.knowledge.services.describing import describe
from apps.knowledge.services.documents import add_document, delete_document
from apps.knowledge.services.external import Metadata, checked_access_tags, checked_metadata
from apps.tenants.services.audit import record
from parley.errors import Conflict, Invalid, TooLarge
from parley.jobs.submit import submit
from parley.tenancy import tenant_tx
from parley.web.actors import current_actor

_NAME_CHARS = 200
_MAX_IMPORT_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What became of a file: how many entries were added, and the lines that were not, each with its sentence."""

    added: int
    problems: tuple[tuple[int, str], ...]


def add_entry(
    *,
    knowledge_base_id: UUID,
    kind: EntryKind,
    question: str,
    answer: str,
    phrasings: Sequence[str] = (),
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
) -> Entry:
    """A new FAQ entry, indexed after commit; or a curated answer as a draft, which nobody is told yet.

    With `access_tags` it is for those who have one of them.

    Raises `NotFound`; `Invalid` with the reason; `Conflict` when the question is there already.
    """
    base = get_knowledge_base(knowledge_base_id)
    words = _checked(question, phrasings, answer)
    _require_new(base.id, kind, words[0])
    entry: Entry = Entry.objects.create(
        knowledge_base_id=base.id,
        kind=kind,
        question=words[0],
        phrasings=list(words[1]),
        answer=words[2],
        metadata=checked_metadata(metadata) or {},
        access_tags=checked_access_tags(access_tags) or [],
    )
    record(action="entry.added", target=entry, after={"kind": str(kind), "answer": entry.answer})
    if kind == EntryKind.FAQ:
        _publish(entry)
    return entry


def update_entry(
    *,
    entry_id: UUID,
    question: str,
    answer: str,
    phrasings: Sequence[str] = (),
    metadata: Metadata | None = None,
    access_tags: Sequence[str] | None = None,
) -> Entry:
    """Other words for an entry. A curated answer is a draft again: what was not approved is not said.

    Other metadata or tags (None leaves them) count at once and need no new approval. Raises as `add_entry`.
    """
    entry = get_entry(entry_id, for_update=True)
    _describe(entry, metadata=checked_metadata(metadata), access_tags=checked_access_tags(access_tags))
    words = _checked(question, phrasings, answer)
    before = {"question": entry.question, "phrasings": entry.phrasings, "answer": entry.answer}
    if (entry.question, tuple(entry.phrasings), entry.answer) == words:
        return entry
    if words[0] != entry.question:
        _require_new(entry.knowledge_base_id, EntryKind(entry.kind), words[0])
    if entry.kind == EntryKind.CURATED:
        _unpublish(entry)
    entry.question, entry.phrasings, entry.answer = words[0], list(words[1]), words[2]
    entry.save()
    record(action="entry.updated", target=entry, before=before, after={"answer": entry.answer})
    if entry.kind == EntryKind.FAQ:
        _publish(entry)
    return entry


def approve_entry(*, entry_id: UUID) -> Entry:
    """Let a curated answer be said, word for word, to whoever asks its question. Safe to repeat.

    Raises `NotFound`; `Conflict` for an FAQ entry.
    """
    entry = get_entry(entry_id, for_update=True)
    if entry.kind != EntryKind.CURATED:
        raise Conflict("Only curated answers are approved; an FAQ entry is found without.")
    if entry.approved_at is None:
        actor = current_actor()
        entry.approved_at = timezone.now()
        entry.approved_by_id = actor.id if actor is not None and actor.kind == "user" else None
        entry.save()
        _publish(entry)
        ways = dict.fromkeys(map(plain_question, (entry.question, *entry.phrasings)))
        EntryPhrasing.objects.bulk_create([EntryPhrasing(entry=entry, plain=way) for way in ways if way])
        submit("knowledge.embed_phrasings", subject_id=entry.id, group_id=entry.knowledge_base_id)
        record(action="entry.approved", target=entry, after={"answer": entry.answer})
    return entry


def withdraw_entry(*, entry_id: UUID) -> Entry:
    """Make a curated answer a draft again; it is not said from this transaction on. Safe to repeat."""
    entry = get_entry(entry_id, for_update=True)
    if entry.kind == EntryKind.CURATED and entry.approved_at is not None:
        _unpublish(entry)
        entry.save()
        record(action="entry.withdrawn", target=entry)
    return entry


def delete_entry(*, entry_id: UUID) -> None:
    """Delete an entry with what is found of it. Repeated: `NotFound`."""
    entry = get_entry(entry_id, for_update=True)
    _unpublish(entry)
    record(action="entry.deleted", target=entry, before={"kind": entry.kind, "answer": entry.answer})
    entry.delete()


def import_entries(*, knowledge_base_id: UUID, kind: EntryKind, content: bytes) -> ImportResult:
    """Add every usable line of a CSV file; the others are told by number. Safe to repeat: known questions stay.

    Raises `NotFound`, `TooLarge`, and `Invalid` for a file that is no such table.
    """
    if len(content) > _MAX_IMPORT_BYTES:
        raise TooLarge("Choose a CSV file of 5 MB at most.")
    added = 0
    problems: list[tuple[int, str]] = []
    try:
        lines = list(read_lines(content))
    except Unreadable as problem:
        raise Invalid(problem.sentence, errors={"file": [problem.sentence]}) from problem
    for line in lines:
        if line.problem:
            problems.append((line.number, line.problem))
            continue
        try:
            # A transaction inside the caller's: a refused line leaves nothing behind.
            with tenant_tx():
                add_entry(
                    knowledge_base_id=knowledge_base_id,
                    kind=kind,
                    question=line.question,
                    answer=line.answer,
                    phrasings=line.phrasings,
                    access_tags=line.access_tags,
                )
            added += 1
        except (Conflict, Invalid) as refused:
            problems.append((line.number, refused.detail))
    return ImportResult(added, tuple(problems))


def embed_phrasings(*, entry_id: UUID) -> None:
    """Give the ways to ask an approved question their vectors. Opens its own transactions; safe to repeat.

    Raises as `embeddings.embed` does.
    """
    model = embeddings.current_model()
    with tenant_tx():
        waiting = list(EntryPhrasing.objects.filter(entry_id=entry_id).exclude(model=model).values_list("id", "plain"))
    # Compared with questions, so embedded as one.
    vectors = embeddings.embed(texts=[plain for _, plain in waiting], kind="query")
    with tenant_tx():
        for (phrasing_id, _), vector in zip(waiting, vectors, strict=True):
            EntryPhrasing.objects.filter(id=phrasing_id).update(embedding=vector, model=model)


def _describe(entry: Entry, *, metadata: Metadata | None, access_tags: list[str] | None) -> None:
    """Take over checked metadata and tags, for its document too; a draft has none yet."""
    document: Document | None = entry.document
    known: dict[str, Any] = {"metadata": entry.metadata, "access_tags": entry.access_tags}
    asked: dict[str, Any] = {"metadata": metadata, "access_tags": access_tags}
    after = {name: value for name, value in asked.items() if value is not None and value != known[name]}
    for name, value in after.items():
        setattr(entry, name, value)
    if document is not None and document.deleted_at is None:
        describe(document, metadata=metadata, access_tags=access_tags)
    elif after:
        entry.save(update_fields=[*after, "updated_at"])
        record(action="entry.described", target=entry, before={name: known[name] for name in after}, after=after)


def _publish(entry: Entry) -> None:
    """Make the words of an entry a document, or its next version."""
    name = "".join(sign for sign in entry.question if sign.isalnum() or sign in " -_")[:_NAME_CHARS].strip()
    entry.document = add_document(
        knowledge_base_id=entry.knowledge_base_id,
        name=f"{name or 'question'}.md",
        content=as_markdown(entry.question, entry.phrasings, entry.answer),
        title=entry.question,
        external_id=f"entry:{entry.id}",
        metadata=entry.metadata,
        access_tags=entry.access_tags,
        kind=DocumentKind(entry.kind),
    )
    entry.save(update_fields=["document", "updated_at"])


def _unpublish(entry: Entry) -> None:
    """Take the words out of the index at once."""
    EntryPhrasing.objects.filter(entry=entry).delete()
    document_id, entry.document = entry.document_id, None
    entry.approved_at = entry.approved_by = None
    entry.save()
    if document_id is not None and Document.objects.filter(id=document_id, deleted_at=None).exists():
        delete_document(document_id=document_id)


def _require_new(knowledge_base_id: UUID, kind: EntryKind, question: str) -> None:
    if Entry.objects.filter(knowledge_base_id=knowledge_base_id, kind=kind, question__iexact=question).exists():
        raise Conflict("This question is here already. Change that entry instead.")


def _checked(question: str, phrasings: Sequence[str], answer: str) -> tuple[str, tuple[str, ...], str]:
    """The words without what nobody sees. Raises `Invalid`."""
    question = " ".join(clean(question).split())
    ways = dict.fromkeys(" ".join(clean(way).split()) for way in phrasings)
    kept = tuple(way for way in ways if way and way.casefold() != question.casefold())
    answer = clean_code(answer.replace("\r\n", "\n"))
    if sentence := problem_of(question, kept, answer):
        field = "answer" if "answer" in sentence.casefold() else "question"
        raise Invalid(sentence, errors={field: [sentence]})
    return question, kept, answer
