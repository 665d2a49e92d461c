"""What every scorer is, what it may ask for, and how its settings are checked. No database, no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from apps.evaluations.contracts import AnswerRecord, CaseSpec, Score

SettingKind = Literal["text", "long_text", "number", "choice"]
SettingValue = str | float
Settings = Mapping[str, Any]


class ScorerFailed(Exception):
    """An answer could not be scored; the message is a sentence for the reader of the experiment."""


class _BadValue(Exception):
    """One setting's value cannot be used; the message is a sentence."""


class SettingsError(ValueError):
    """Settings that cannot work; `errors` holds sentences by field."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(" ".join(sentence for sentences in errors.values() for sentence in sentences))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting of a kind, enough to build its form field and to check its value."""

    name: str
    label: str
    kind: SettingKind
    default: SettingValue
    hint: str = ""
    is_required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    minimum: float = 0.0
    maximum: float = 1.0
    max_length: int = 4000


class ScorerTools(Protocol):
    """What a scorer may ask of the outside; both may raise `ScorerFailed`."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One unit-length vector per text."""
        ...

    async def judge(self, *, instructions: str, material: str, max_output_tokens: int) -> str:
        """The judging model's text for one question to it."""
        ...


class Scorer(Protocol):
    """One kind of evaluator. `judge_calls` is how many model calls one case costs."""

    @property
    def kind(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def fields(self) -> tuple[SettingField, ...]: ...
    @property
    def judge_calls(self) -> int: ...

    def check(self, settings: Settings) -> None:
        """Refuse settings that pass field by field but cannot work. Raises `SettingsError`."""
        ...

    async def score(self, case: CaseSpec, answer: AnswerRecord, settings: Settings, tools: ScorerTools) -> Score:
        """The verdict on one answer; raises `ScorerFailed`."""
        ...


class PlainScorer:
    """Base of scorers that call no model and have nothing to check beyond their fields."""

    fields: tuple[SettingField, ...] = ()
    judge_calls = 0

    def check(self, settings: Settings) -> None:
        """Nothing further can be wrong."""


def clean_settings(scorer: Scorer, raw: Mapping[str, Any]) -> dict[str, SettingValue]:
    """Every field of the scorer with a checked value; unknown names are refused. Raises `SettingsError`."""
    errors: dict[str, list[str]] = {}
    cleaned: dict[str, SettingValue] = {}
    for name in sorted(set(raw) - {field.name for field in scorer.fields}):
        errors[name] = [f"{scorer.label} has no setting named {name}."]
    for field in scorer.fields:
        try:
            cleaned[field.name] = _clean_value(field, raw.get(field.name))
        except _BadValue as problem:
            errors[field.name] = [str(problem)]
    if errors:
        raise SettingsError(errors)
    scorer.check(cleaned)
    return cleaned


def _clean_value(field: SettingField, value: Any) -> SettingValue:
    if value is None or (isinstance(value, str) and not value.strip()):
        if field.is_required:
            raise _BadValue(f"{field.label} is needed.")
        return field.default
    if field.kind == "number":
        return _clean_number(field, value)
    if not isinstance(value, str):
        raise _BadValue(f"{field.label} must be text.")
    text = value.replace("\r\n", "\n").strip()
    if field.kind == "choice" and text not in dict(field.choices):
        allowed = ", ".join(name for name, _ in field.choices)
        raise _BadValue(f"{field.label} must be one of: {allowed}.")
    if len(text) > field.max_length:
        raise _BadValue(f"{field.label} may have at most {field.max_length:,} characters.")
    return text


def _clean_number(field: SettingField, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _BadValue(f"{field.label} must be a number.") from None
    if not field.minimum <= number <= field.maximum:  # also refuses NaN
        raise _BadValue(f"{field.label} must lie between {field.minimum:g} and {field.maximum:g}.")
    return number
