"""What changed between two states of an assistant, as a person would say it. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.assistants.contracts import FewShot, PinnedBlock, Variable, VersionSpec
from apps.assistants.enums import GroundingChoice
from apps.assistants.word_diff import DiffPart, diff_words

Names = Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A setting that differs. A text comes word by word as `parts`; for others `before` and `after` say it all."""

    field: str
    label: str
    before: str
    after: str
    parts: tuple[DiffPart, ...] = ()


@dataclass(frozen=True, slots=True)
class _Setting:
    """How a setting is called and said. Texts are compared by words; for `is_set` the order means nothing."""

    label: str
    say: Callable[[Any, Names], str] = lambda value, names: str(value)
    is_text: bool = False
    is_set: bool = False


def changed_fields(old: VersionSpec, new: VersionSpec) -> tuple[str, ...]:
    """Names of the settings that differ, in the order of the form."""
    return tuple(field for field in _SETTINGS if _comparable(old, field) != _comparable(new, field))


def compare(old: VersionSpec, new: VersionSpec, *, names: Names) -> list[FieldChange]:
    """The differences from `old` to `new`. `names` turns ids of models and knowledge bases into words."""
    changes = []
    for field in changed_fields(old, new):
        setting = _SETTINGS[field]
        before, after = setting.say(getattr(old, field), names), setting.say(getattr(new, field), names)
        parts = diff_words(before, after) if setting.is_text else ()
        changes.append(FieldChange(field, setting.label, before, after, parts))
    return changes


def label_of(field: str) -> str:
    """The word on the screen for a setting."""
    return _SETTINGS[field].label


def _comparable(spec: VersionSpec, field: str) -> object:
    if field == "example_tokens" and not spec.examples:
        return None  # without any, their room means nothing
    value = getattr(spec, field)
    return frozenset(value) if _SETTINGS[field].is_set else value


def _named(missing: str) -> Callable[[Any, Names], str]:
    return lambda ids, names: ", ".join(sorted(names.get(one, missing) for one in ids)) or "None"


def _model(value: UUID | None, names: Names) -> str:
    return names.get(value, "A deleted model") if value else "The tenant's default"


def _route(value: UUID | None, names: Names) -> str:
    return names.get(value, "A deleted route") if value else "The tenant's own"


def _declared(variable: Variable) -> str:
    words = [f"{{{{ {variable.name} }}}}: {variable.type}"]
    if variable.choices:
        words.append(f"({', '.join(variable.choices)})")
    words.append("constant" if variable.source == "constant" else f"from {variable.source}")
    if variable.default is not None:
        words.append(f"default “{variable.default}”")
    return " ".join(words)


def _shown_example(example: FewShot) -> str:
    tags = f" ({', '.join(example.tags)})" if example.tags else ""
    return f"Q: {example.question}{tags}\nA: {example.answer}"


def _pinned(block: PinnedBlock) -> str:
    return f"{block.name}, version {block.number}:\n{block.text}"


def _temperature(value: float | None, names: Names) -> str:
    return "The model's default" if value is None else f"{value:g}"


_SETTINGS: dict[str, _Setting] = {
    "name": _Setting("Name"),
    "role": _Setting("Role", is_text=True),
    "tone": _Setting("Tone", is_text=True),
    "instructions": _Setting("Instructions", is_text=True),
    "rules": _Setting("Rules", lambda value, names: "\n".join(value), is_text=True),
    "variables": _Setting("Variables", lambda value, names: "\n".join(map(_declared, value)), is_text=True),
    "blocks": _Setting("Prompt blocks", lambda value, names: "\n\n".join(map(_pinned, value)), is_text=True),
    "examples": _Setting("Examples", lambda value, names: "\n\n".join(map(_shown_example, value)), is_text=True),
    "example_tokens": _Setting("Room for examples", lambda value, names: f"{value} tokens"),
    "model_id": _Setting("Model", _model),
    "route_id": _Setting("Route", _route),
    "knowledge_base_ids": _Setting("Knowledge bases", _named("A deleted knowledge base"), is_set=True),
    "snapshot_ids": _Setting("Pinned snapshots", _named("A deleted snapshot"), is_set=True),
    "access_tags": _Setting("Access tags", lambda tags, names: ", ".join(tags) or "None"),
    "metadata_filter": _Setting(
        "Document filter", lambda value, names: json.dumps(value, ensure_ascii=False) if value else "None"
    ),
    "rewrites_follow_ups": _Setting("Rewrites follow-up questions", lambda value, names: "Yes" if value else "No"),
    "grounding": _Setting("Unsupported sentences", lambda value, names: str(GroundingChoice(value).label)),
    "temperature": _Setting("Temperature", _temperature),
    "max_output_tokens": _Setting("Longest answer", lambda value, names: f"{value} tokens"),
    "refusal": _Setting("Refusal sentence", is_text=True),
    "opening_message": _Setting("Opening message", is_text=True),
    "suggested_questions": _Setting("Suggested questions", lambda value, names: "\n".join(value), is_text=True),
}
