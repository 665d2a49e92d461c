"""Writes to the few-shot examples of a draft. Visitors notice nothing until it is published."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack
from uuid import UUID

from django.db import transaction

from apps.assistants.models import LONGEST_EXAMPLE_ANSWER, LONGEST_EXAMPLE_QUESTION, Assistant, FewShotExample
from apps.assistants.services.rows import lock_assistant
from apps.tenants.services import audit
from parley.errors import Invalid, NotFound

MOST_EXAMPLES = 200
MOST_IMPORT_BYTES = 1_000_000
_MOST_TAGS = 10
_NO = ("no", "false", "0", "off")


class ExampleFields(TypedDict, total=False):
    """What an example holds; what is left out stays, or takes its default."""

    question: str
    answer: str
    is_enabled: bool
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file brought: how many were added and which were there already."""

    added: int
    known: int


@transaction.atomic
def add_example(*, assistant_id: UUID, **fields: Unpack[ExampleFields]) -> FewShotExample:
    """Add an example to the draft. Raises `NotFound`, `Invalid` by field. Audited as `assistant.examples_changed`."""
    assistant = lock_assistant(assistant_id)
    example = _filled(FewShotExample(assistant=assistant), fields)
    example.save(force_insert=True)
    _count(assistant, added=[example.question])
    return example


@transaction.atomic
def change_example(*, example_id: UUID, **fields: Unpack[ExampleFields]) -> FewShotExample:
    """Change an example of a draft. Raises `NotFound`, `Invalid` by field. Audited as `assistant.examples_changed`."""
    example = _get(example_id)
    assistant = lock_assistant(example.assistant_id)
    _filled(example, fields).save()
    _count(assistant, changed=[example.question])
    return example


@transaction.atomic
def delete_example(*, example_id: UUID) -> None:
    """Take an example out of the draft. Raises `NotFound`. Audited as `assistant.examples_changed`."""
    example = _get(example_id)
    assistant = lock_assistant(example.assistant_id)
    question = example.question
    example.delete()
    _count(assistant, removed=[question])


@transaction.atomic
def import_examples(*, assistant_id: UUID, content: bytes) -> Imported:
    """Add the lines of a CSV file with the columns question and answer, and maybe tags (apart by `|`) and enabled.

    All or nothing: raises `Invalid` with a sentence for each line that cannot be used. A question with the same
    answer is added once, so a repeated import changes nothing. Audited as `assistant.examples_changed`.
    """
    rows = _read(content)
    assistant = lock_assistant(assistant_id)
    known = set(FewShotExample.objects.filter(assistant=assistant).values_list("question", "answer"))
    fresh: dict[tuple[str, str], FewShotExample] = {}
    problems: list[str] = []
    for line, fields in rows:
        try:
            example = _filled(FewShotExample(assistant=assistant), fields)
        except Invalid as problem:
            problems += [f"Line {line}: {sentence}" for each in problem.errors.values() for sentence in each]
            continue
        fresh.setdefault((example.question, example.answer), example)
    if problems:
        raise Invalid("Nothing was imported.", errors={"file": problems[:20]})
    added = [example for key, example in fresh.items() if key not in known]
    FewShotExample.objects.bulk_create(added)
    if added:
        _count(assistant, added=[example.question for example in added])
    return Imported(len(added), len(rows) - len(added))


def _get(example_id: UUID) -> FewShotExample:
    example: FewShotExample | None = FewShotExample.objects.filter(id=example_id).first()
    if example is None:
        raise NotFound("There is no such example.")
    return example


def _filled(example: FewShotExample, fields: ExampleFields) -> FewShotExample:
    example.question = fields.get("question", example.question).strip()
    example.answer = fields.get("answer", example.answer).strip()
    example.is_enabled = fields.get("is_enabled", example.is_enabled)
    example.tags = list(dict.fromkeys(tag.strip() for tag in fields.get("tags", example.tags) if tag.strip()))
    errors: dict[str, list[str]] = {}
    for name, longest in (("question", LONGEST_EXAMPLE_QUESTION), ("answer", LONGEST_EXAMPLE_ANSWER)):
        text = getattr(example, name)
        if not text:
            errors[name] = [f"Write the {name}."]
        elif len(text) > longest or "\x00" in text:
            errors[name] = [f"Keep the {name} under {longest:,} characters of text."]
    if len(example.tags) > _MOST_TAGS or any(len(tag) > 40 for tag in example.tags):
        errors["tags"] = [f"Use at most {_MOST_TAGS} tags of at most 40 characters."]
    if errors:
        raise Invalid("The example is not valid.", errors=errors)
    return example


def _count(
    assistant: Assistant,
    *,
    added: Sequence[str] = (),
    changed: Sequence[str] = (),
    removed: Sequence[str] = (),
) -> None:
    """Bring the locked assistant up to date, and remember what was done."""
    count = FewShotExample.objects.filter(assistant=assistant).count()
    if count > MOST_EXAMPLES:
        sentence = f"An assistant has at most {MOST_EXAMPLES} examples."
        raise Invalid(sentence, errors={"question": [sentence]})
    before = assistant.example_count
    assistant.example_count = count
    assistant.draft_revision += 1
    assistant.save(update_fields=["example_count", "draft_revision", "updated_at"])
    words = {"added": added, "changed": changed, "removed": removed}
    audit.record(
        action="assistant.examples_changed",
        target=assistant,
        before={"examples": before},
        after={"examples": count, **{word: [each[:80] for each in done[:5]] for word, done in words.items() if done}},
    )


def _read(content: bytes) -> list[tuple[int, ExampleFields]]:
    if len(content) > MOST_IMPORT_BYTES:
        raise _unreadable(f"A file may have {MOST_IMPORT_BYTES // 1_000_000} MB at most. Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable("Save the file as UTF-8 and send it again.") from error
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        columns = {(name or "").strip().casefold(): name for name in reader.fieldnames or ()}
        if not {"question", "answer"} <= columns.keys():
            raise _unreadable(
                "The first line must name the columns question and answer, and may name tags and enabled."
            )
        rows: list[tuple[int, ExampleFields]] = []
        for row in reader:
            cells = {name: (row.get(column) or "").strip() for name, column in columns.items()}
            fields = ExampleFields(question=cells["question"], answer=cells["answer"])
            fields["tags"] = cells.get("tags", "").split("|")
            fields["is_enabled"] = cells.get("enabled", "").casefold() not in _NO
            rows.append((reader.line_num, fields))
    except csv.Error as error:
        raise _unreadable(f"Line {reader.line_num} cannot be read as CSV.") from error
    if not rows:
        raise _unreadable("The file has no lines below its first one.")
    return rows


def _unreadable(sentence: str) -> Invalid:
    return Invalid(sentence, errors={"file": [sentence]})
