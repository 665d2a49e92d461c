"""What changed between two states of an assistant, as a person would say it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal
from uuid import UUID

from apps.assistants.contracts import VersionSpec

LineKind = Literal["same", "added", "removed", "skipped"]
_CONTEXT_LINES = 2


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a text that changed; `skipped` stands for unchanged lines that are left out."""

    kind: LineKind
    text: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A setting that differs. Longer texts come as `lines`, otherwise `before` and `after` say it all."""

    field: str
    label: str
    before: str
    after: str
    lines: tuple[DiffLine, ...] = ()


_LABELS = {
    "name": "Name",
    "instructions": "Instructions",
    "model_id": "Model",
    "knowledge_base_ids": "Knowledge bases",
    "snapshot_ids": "Pinned snapshots",
    "access_tags": "Access tags",
    "metadata_filter": "Document filter",
    "rewrites_follow_ups": "Rewrites follow-up questions",
    "temperature": "Temperature",
    "max_output_tokens": "Longest answer",
    "refusal": "Refusal sentence",
    "opening_message": "Opening message",
    "suggested_questions": "Suggested questions",
}
_LONG_TEXTS = ("instructions", "suggested_questions")


def changed_fields(old: VersionSpec, new: VersionSpec) -> tuple[str, ...]:
    """Names of the settings that differ, in the order of the form."""
    return tuple(field for field in _LABELS if _comparable(old, field) != _comparable(new, field))


def compare(old: VersionSpec, new: VersionSpec, *, names: Mapping[UUID, str]) -> list[FieldChange]:
    """The differences from `old` to `new`. `names` turns ids of models and knowledge bases into words."""
    changes = []
    for field in changed_fields(old, new):
        before, after = _shown(old, field, names), _shown(new, field, names)
        lines = _diff_lines(before, after) if field in _LONG_TEXTS else ()
        changes.append(FieldChange(field, _LABELS[field], before, after, lines))
    return changes


def label_of(field: str) -> str:
    """The word on the screen for a setting."""
    return _LABELS[field]


def _comparable(spec: VersionSpec, field: str) -> object:
    value = getattr(spec, field)
    return frozenset(value) if field in ("knowledge_base_ids", "snapshot_ids") else value


def _shown(spec: VersionSpec, field: str, names: Mapping[UUID, str]) -> str:
    value = getattr(spec, field)
    if field == "model_id":
        return names.get(value, "A deleted model") if value else "The tenant's default"
    if field == "knowledge_base_ids":
        return ", ".join(sorted(names.get(base, "A deleted knowledge base") for base in value)) or "None"
    if field == "snapshot_ids":
        return ", ".join(sorted(names.get(pinned, "A deleted snapshot") for pinned in value)) or "None"
    if field == "access_tags":
        return ", ".join(value) or "None"
    if field == "metadata_filter":
        return json.dumps(value, ensure_ascii=False) if value else "None"
    if field == "rewrites_follow_ups":
        return "Yes" if value else "No"
    if field == "suggested_questions":
        return "\n".join(value)
    if field == "temperature":
        return "The model's default" if value is None else f"{value:g}"
    if field == "max_output_tokens":
        return f"{value} tokens"
    return str(value)


def _diff_lines(before: str, after: str) -> tuple[DiffLine, ...]:
    old, new = before.splitlines(), after.splitlines()
    lines: list[DiffLine] = []
    for tag, a, b, c, d in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += _shortened(old[a:b], is_first=a == 0, is_last=b == len(old))
        else:
            lines += [DiffLine("removed", text) for text in old[a:b]]
            lines += [DiffLine("added", text) for text in new[c:d]]
    return tuple(lines)


def _shortened(same: list[str], *, is_first: bool, is_last: bool) -> list[DiffLine]:
    head = 0 if is_first else _CONTEXT_LINES
    tail = 0 if is_last else _CONTEXT_LINES
    if len(same) <= head + tail + 1:
        return [DiffLine("same", text) for text in same]
    shown = [DiffLine("same", text) for text in same[:head]]
    shown.append(DiffLine("skipped", f"{len(same) - head - tail} unchanged lines"))
    return shown + [DiffLine("same", text) for text in same[len(same) - tail :]]
