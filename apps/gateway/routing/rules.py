"""Rules of a route: conditions that say themselves as sentences, and the models they lead to. Pure.

A rule holds when all of its conditions hold; a rule without conditions always does. Adding a kind of condition adds
a class here and a line in `rule_reading.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Final, Literal, Protocol
from uuid import UUID

from apps.gateway.routing.buckets import is_within
from apps.gateway.routing.facts import Difficulty, RequestFacts, Similarity
from apps.gateway.routing.language import LANGUAGES

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
Comparison = Literal["at_least", "at_most"]


@dataclass(frozen=True, slots=True)
class Instruments:
    """How meaning is measured: given from outside, so that a better estimate needs no change here."""

    similarity: Similarity
    difficulty: Difficulty


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds for a message, and what was seen."""

    holds: bool
    seen: str


class Condition(Protocol):
    """One thing that a rule asks."""

    def sentence(self) -> str:
        """What must be true, without a full stop, to follow “If ”."""

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        """Whether it is true of this message."""


@dataclass(frozen=True, slots=True)
class Length:
    """The message has so many characters."""

    comparison: Comparison
    characters: int

    def sentence(self) -> str:
        return f"the message has {_words(self.comparison)} {self.characters:,} characters"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        length = len(facts.message)
        return Verdict(_compare(length, self.comparison, self.characters), f"it has {length:,} characters")


@dataclass(frozen=True, slots=True)
class Language:
    """The message is written in one of these languages."""

    languages: tuple[str, ...]

    def sentence(self) -> str:
        return f"the message is in {_one_of([LANGUAGES[code] for code in self.languages])}"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        seen = LANGUAGES[facts.language] if facts.language else "no language for sure"
        return Verdict(facts.language in self.languages, f"it looks like {seen}")


@dataclass(frozen=True, slots=True)
class Topic:
    """The message holds one of the keywords, or is as alike to one of the examples as `similarity` percent."""

    keywords: tuple[str, ...]
    examples: tuple[str, ...]
    similarity: int

    def sentence(self) -> str:
        parts = []
        if self.keywords:
            parts.append(f"holds {_one_of([f'“{word}”' for word in self.keywords])}")
        if self.examples:
            examples = _one_of([f"“{example}”" for example in self.examples])
            parts.append(f"is at least {self.similarity} % like {examples}")
        return f"the message {' or '.join(parts)}"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        # Whole words: “refund” is not in “refundable”; a phrase counts as it stands.
        text = f" {' '.join(_plain(facts.message).split())} "
        found = next((word for word in self.keywords if f" {' '.join(_plain(word).split())} " in text), None)
        if found is not None:
            return Verdict(True, f"it holds “{found}”")
        if not self.examples:
            return Verdict(False, "it holds none of the words")
        alike = instruments.similarity(facts.message, self.examples)
        return Verdict(alike >= self.similarity, f"it is {alike} % like the nearest example")


@dataclass(frozen=True, slots=True)
class Attachment:
    """The message comes with a file or a picture, or does not."""

    is_present: bool

    def sentence(self) -> str:
        return f"the message has {'an' if self.is_present else 'no'} attachment"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        return Verdict(
            facts.has_attachment == self.is_present, f"it has {'an' if facts.has_attachment else 'no'} attachment"
        )


@dataclass(frozen=True, slots=True)
class Tools:
    """The assistant has tools for the answer, or has none."""

    are_needed: bool

    def sentence(self) -> str:
        return f"the answer needs {'tools' if self.are_needed else 'no tools'}"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        return Verdict(facts.needs_tools == self.are_needed, f"it needs {'tools' if facts.needs_tools else 'no tools'}")


@dataclass(frozen=True, slots=True)
class Time:
    """Local time of the organisation: on these days (0 is Monday, none means all) from `start` until before `end`.

    A span that ends earlier than it starts goes over midnight and belongs to the day it began on.
    """

    days: tuple[int, ...]
    start: time
    end: time

    def sentence(self) -> str:
        days = f"on {_one_of([DAYS[day] for day in self.days])} " if self.days else ""
        return f"it is {days}from {self.start:%H:%M} to {self.end:%H:%M}".replace("  ", " ")

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        now, day = facts.at.time(), facts.at.weekday()
        if self.start < self.end:
            is_inside = self.start <= now < self.end
        else:
            is_inside = now >= self.start or now < self.end
            if now < self.end and self.start != self.end:
                day = (day - 1) % 7
        is_day = not self.days or day in self.days
        return Verdict(is_inside and is_day, f"it is {facts.at:%A}, {facts.at:%H:%M}")


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """So many percent of the month's limit are left."""

    comparison: Comparison
    percent: int

    def sentence(self) -> str:
        return f"{_words(self.comparison)} {self.percent} % of the month's budget is left"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        if facts.budget_left is None:
            return Verdict(self.comparison == "at_least", "there is no limit")
        return Verdict(_compare(facts.budget_left, self.comparison, self.percent), f"{facts.budget_left} % is left")


@dataclass(frozen=True, slots=True)
class Share:
    """The conversation is one of so many percent, and stays so."""

    percent: int

    def sentence(self) -> str:
        return f"the conversation is one of {self.percent} % chosen by chance"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        is_chosen = is_within(salt, facts.key, self.percent)
        return Verdict(is_chosen, "it is one of them" if is_chosen else "it is not one of them")


@dataclass(frozen=True, slots=True)
class HowHard:
    """The message looks so hard, in percent."""

    comparison: Comparison
    percent: int

    def sentence(self) -> str:
        return f"the message looks {_words(self.comparison)} {self.percent} % difficult"

    def judge(self, facts: RequestFacts, instruments: Instruments, salt: str) -> Verdict:
        hard = round(100 * instruments.difficulty(facts.message))
        return Verdict(_compare(hard, self.comparison, self.percent), f"it looks {hard} % difficult")


@dataclass(frozen=True, slots=True)
class Target:
    """One model of a rule's split; weights are relative to those of its neighbours."""

    model_id: UUID
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """If all conditions hold, one of the targets answers first; the route's fallback chain stands behind it."""

    id: str
    name: str
    conditions: tuple[Condition, ...]
    targets: tuple[Target, ...]
    is_enabled: bool = True

    def sentence(self) -> str:
        """All conditions as one sentence without its end: “If …” or “Always”."""
        if not self.conditions:
            return "Always"
        return "If " + " and ".join(condition.sentence() for condition in self.conditions)


def _compare(value: int, comparison: Comparison, bound: int) -> bool:
    return value >= bound if comparison == "at_least" else value <= bound


def _words(comparison: Comparison) -> str:
    return comparison.replace("_", " ")


def _one_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _plain(text: str) -> str:
    return "".join(character if character.isalnum() else " " for character in text.casefold())
