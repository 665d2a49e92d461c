"""Rules and policies as JSON, both ways. Reading says what is wrong in sentences. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from typing import Any, Final, cast
from uuid import UUID

from apps.gateway.contracts import FALLBACK_REASONS, FallbackReason, RoutePolicy
from apps.gateway.routing.language import LANGUAGES
from apps.gateway.routing.rules import (
    Attachment,
    BudgetLeft,
    Comparison,
    Condition,
    HowHard,
    Language,
    Length,
    Rule,
    Share,
    Target,
    Time,
    Tools,
    Topic,
)

MOST_RULES: Final = 30
MOST_TARGETS: Final = 8
_MOST_CONDITIONS: Final = 12
_MOST_WORDS: Final = 50
_LONGEST_WORD: Final = 200
_LONGEST_NAME: Final = 80
_LARGEST_WEIGHT: Final = 1_000
_LARGEST_LENGTH: Final = 100_000
DEFAULT_SIMILARITY: Final = 60
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
HEDGE_BOUNDS: Final = (50, 30_000)


class Unreadable(ValueError):
    """JSON that is no rule; the message is a sentence for whoever wrote it."""


def read_rules(data: Any) -> tuple[Rule, ...]:
    """The rules of a route. A rule without an id gets a new one. Raises `Unreadable`."""
    if not isinstance(data, list):
        raise Unreadable("Rules are a list.")
    if len(data) > MOST_RULES:
        raise Unreadable(f"A route can have at most {MOST_RULES} rules.")
    rules = tuple(_at(f"Rule {number}", read_rule, entry) for number, entry in enumerate(data, start=1))
    if len({rule.id for rule in rules}) != len(rules):
        raise Unreadable("Two rules have the same id. Leave the id of a new rule out.")
    return rules


def read_rule(data: Any) -> Rule:
    """One rule; a `sentence`, which only people read, is passed over. Raises `Unreadable`."""
    entry = _object(data, {"id", "name", "when", "targets", "is_enabled", "sentence"})
    name = entry.get("name", "")
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise Unreadable(f"Give the rule a name of up to {_LONGEST_NAME} characters.")
    when = entry.get("when", [])
    if not isinstance(when, list) or len(when) > _MOST_CONDITIONS:
        raise Unreadable(f"“when” is a list of at most {_MOST_CONDITIONS} conditions.")
    targets = entry.get("targets")
    if not isinstance(targets, list) or not 1 <= len(targets) <= MOST_TARGETS:
        raise Unreadable(f"Choose 1 to {MOST_TARGETS} models that the rule leads to.")
    read = tuple(_read_target(target) for target in targets)
    if len({target.model_id for target in read}) != len(read):
        raise Unreadable("A rule can name each model only once.")
    return Rule(
        id=_read_id(entry.get("id")),
        name=name.strip(),
        conditions=tuple(read_condition(condition) for condition in when),
        targets=read,
        is_enabled=_flag(entry, "is_enabled", default=True),
    )


def read_condition(data: Any) -> Condition:
    """One condition: an object whose `kind` says what it is about. Raises `Unreadable`."""
    kind = data.get("kind") if isinstance(data, dict) else None
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise Unreadable(f"A condition's kind is one of {', '.join(_READERS)}.")
    return reader(data)


def read_policy(data: Any) -> RoutePolicy:
    """What to do on failures; what is left out keeps its default. Raises `Unreadable`."""
    entry = _object(data, {"fallback_on", "continues_answers", "hedge_after_ms"})
    reasons = entry.get("fallback_on", list(FALLBACK_REASONS))
    if not isinstance(reasons, list) or any(reason not in FALLBACK_REASONS for reason in reasons):
        raise Unreadable(f"“fallback_on” is a list of {', '.join(FALLBACK_REASONS)}.")
    hedge = entry.get("hedge_after_ms")
    if hedge is not None:
        hedge = _whole(entry, "hedge_after_ms", *HEDGE_BOUNDS)
    return RoutePolicy(
        fallback_on=frozenset(cast("list[FallbackReason]", reasons)),
        continues_answers=_flag(entry, "continues_answers", default=True),
        hedge_after_ms=hedge,
    )


def rule_json(rule: Rule) -> dict[str, Any]:
    """The inverse of `read_rule`."""
    return {
        "id": rule.id,
        "name": rule.name,
        "when": [condition_json(condition) for condition in rule.conditions],
        "targets": [{"model_id": str(target.model_id), "weight": target.weight} for target in rule.targets],
        "is_enabled": rule.is_enabled,
    }


def condition_json(condition: Condition) -> dict[str, Any]:
    """The inverse of `read_condition`."""
    match condition:
        case Length(comparison, characters):
            return {"kind": "length", "comparison": comparison, "characters": characters}
        case Language(languages):
            return {"kind": "language", "languages": list(languages)}
        case Topic(keywords, examples, similarity):
            return {
                "kind": "topic",
                "keywords": list(keywords),
                "examples": list(examples),
                "similarity": similarity,
            }
        case Attachment(is_present):
            return {"kind": "attachment", "is_present": is_present}
        case Tools(are_needed):
            return {"kind": "tools", "are_needed": are_needed}
        case Time(days, start, end):
            return {"kind": "time", "days": list(days), "from": f"{start:%H:%M}", "to": f"{end:%H:%M}"}
        case BudgetLeft(comparison, percent):
            return {"kind": "budget", "comparison": comparison, "percent": percent}
        case Share(percent):
            return {"kind": "share", "percent": percent}
        case HowHard(comparison, percent):
            return {"kind": "difficulty", "comparison": comparison, "percent": percent}
        case _:
            raise TypeError(f"{type(condition).__name__} is no condition.")


def policy_json(policy: RoutePolicy) -> dict[str, Any]:
    """The inverse of `read_policy`."""
    return {
        "fallback_on": [reason for reason in FALLBACK_REASONS if reason in policy.fallback_on],
        "continues_answers": policy.continues_answers,
        "hedge_after_ms": policy.hedge_after_ms,
    }


def _length(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "comparison", "characters"})
    return Length(_comparison(entry), _whole(entry, "characters", 0, _LARGEST_LENGTH))


def _language(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "languages"})
    languages = _texts(entry, "languages")
    if not languages or any(code not in LANGUAGES for code in languages):
        raise Unreadable(f"“languages” is a list of codes among {', '.join(LANGUAGES)}.")
    return Language(languages)


def _topic(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "keywords", "examples", "similarity"})
    keywords, examples = _texts(entry, "keywords"), _texts(entry, "examples")
    if not keywords and not examples:
        raise Unreadable("A topic needs keywords or examples.")
    return Topic(keywords, examples, _whole({"similarity": DEFAULT_SIMILARITY, **entry}, "similarity", 1, 100))


def _attachment(data: dict[str, Any]) -> Condition:
    return Attachment(_flag(_object(data, {"kind", "is_present"}), "is_present", default=True))


def _tools(data: dict[str, Any]) -> Condition:
    return Tools(_flag(_object(data, {"kind", "are_needed"}), "are_needed", default=True))


def _time(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "days", "from", "to"})
    days = entry.get("days", [])
    if not isinstance(days, list) or any(type(day) is not int or not 0 <= day <= 6 for day in days):
        raise Unreadable("“days” is a list of numbers from 0 (Monday) to 6 (Sunday); empty means every day.")
    return Time(tuple(sorted(set(days))), _clock(entry, "from", "00:00"), _clock(entry, "to", "00:00"))


def _budget(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "comparison", "percent"})
    return BudgetLeft(_comparison(entry), _whole(entry, "percent", 0, 100))


def _share(data: dict[str, Any]) -> Condition:
    return Share(_whole(_object(data, {"kind", "percent"}), "percent", 0, 100))


def _difficulty(data: dict[str, Any]) -> Condition:
    entry = _object(data, {"kind", "comparison", "percent"})
    return HowHard(_comparison(entry), _whole(entry, "percent", 0, 100))


_READERS: Final[dict[str, Callable[[dict[str, Any]], Condition]]] = {
    "length": _length,
    "language": _language,
    "topic": _topic,
    "attachment": _attachment,
    "tools": _tools,
    "time": _time,
    "budget": _budget,
    "share": _share,
    "difficulty": _difficulty,
}


def _at(place: str, read: Callable[[Any], Rule], data: Any) -> Rule:
    try:
        return read(data)
    except Unreadable as error:
        raise Unreadable(f"{place}: {error}") from error


def _object(data: Any, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise Unreadable("This must be an object.")
    unknown = sorted(str(name) for name in data.keys() - allowed)
    if unknown:
        raise Unreadable(f"“{unknown[0]}” is not known here; {', '.join(sorted(allowed))} are.")
    return data


def _read_target(data: Any) -> Target:
    entry = _object(data, {"model_id", "weight"})
    try:
        model_id = UUID(str(entry.get("model_id")))
    except ValueError:
        raise Unreadable("Each target names a model by its id.") from None
    return Target(model_id, _whole({"weight": 1, **entry}, "weight", 1, _LARGEST_WEIGHT))


def _read_id(value: Any) -> str:
    if value is None or value == "":
        return uuid.uuid4().hex
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{32}", value):
        raise Unreadable("The id of a rule is given by Parley. Leave it out for a new rule.")
    return value


def _comparison(entry: Mapping[str, Any]) -> Comparison:
    value = entry.get("comparison", "at_least")
    if value not in ("at_least", "at_most"):
        raise Unreadable("“comparison” is at_least or at_most.")
    return cast("Comparison", value)


def _whole(entry: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = entry.get(name)
    if type(value) is not int or not least <= value <= most:
        raise Unreadable(f"“{name}” is a whole number from {least:,} to {most:,}.")
    return value


def _flag(entry: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = entry.get(name, default)
    if not isinstance(value, bool):
        raise Unreadable(f"“{name}” is true or false.")
    return value


def _texts(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values: Sequence[Any] = entry.get(name, [])
    is_list = isinstance(values, list) and len(values) <= _MOST_WORDS
    if not is_list or any(
        not isinstance(value, str) or not 0 < len(value.strip()) <= _LONGEST_WORD for value in values
    ):
        raise Unreadable(f"“{name}” is a list of at most {_MOST_WORDS} texts of up to {_LONGEST_WORD} characters.")
    return tuple(dict.fromkeys(value.strip() for value in values))


def _clock(entry: Mapping[str, Any], name: str, default: str) -> time:
    found = _CLOCK.fullmatch(str(entry.get(name, default)))
    if found is None:
        raise Unreadable(f"“{name}” is a time of the day such as 18:30.")
    return time(int(found[1]), int(found[2]))
