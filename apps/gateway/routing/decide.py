"""Which rule of a route wins for a message, and why each other one does not. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from apps.gateway.routing.buckets import choose_weighted
from apps.gateway.routing.facts import RequestFacts
from apps.gateway.routing.rules import Instruments, Rule

Outcome = Literal["won", "lost", "not_asked", "switched_off", "no_model"]


@dataclass(frozen=True, slots=True)
class Considered:
    """One rule and what became of it, as a sentence."""

    rule: Rule
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The model that answers first (None: the fallback chain begins at once) and how that came about."""

    model_id: UUID | None
    rule: Rule | None
    considered: tuple[Considered, ...] = ()

    @property
    def reason(self) -> str:
        """One sentence for a trace."""
        if self.rule is None:
            return "No rule held, so the models were asked in the order of the route."
        return f"Rule “{self.rule.name}”: {next(item.reason for item in self.considered if item.outcome == 'won')}"


def decide(
    rules: Sequence[Rule], facts: RequestFacts, *, instruments: Instruments, usable: Collection[UUID], salt: str = ""
) -> Decision:
    """The first rule in order that holds and has a usable model wins.

    `usable` are the models that may be called now; the others keep their weight out of a split, so that a model
    which is switched off loses its share to its neighbours. `salt` separates the chances of two routes.
    """
    considered: list[Considered] = []
    winner: tuple[Rule, UUID] | None = None
    for rule in rules:
        item, model_id = _consider(rule, facts, instruments, usable, salt, is_decided=winner is not None)
        considered.append(item)
        if model_id is not None:
            winner = rule, model_id
    if winner is None:
        return Decision(None, None, tuple(considered))
    return Decision(winner[1], winner[0], tuple(considered))


def _consider(
    rule: Rule,
    facts: RequestFacts,
    instruments: Instruments,
    usable: Collection[UUID],
    salt: str,
    *,
    is_decided: bool,
) -> tuple[Considered, UUID | None]:
    if is_decided:
        return Considered(rule, "not_asked", "A rule above it won."), None
    if not rule.is_enabled:
        return Considered(rule, "switched_off", "It is switched off."), None
    seen = []
    for condition in rule.conditions:
        verdict = condition.judge(facts, instruments, f"{salt}:{rule.id}")
        if not verdict.holds:
            return Considered(rule, "lost", f"It asks that {condition.sentence()}, but {verdict.seen}."), None
        seen.append(verdict.seen)
    targets = [target for target in rule.targets if target.model_id in usable]
    if not targets:
        return Considered(rule, "no_model", "It holds, but none of its models may be called now."), None
    index = choose_weighted(f"{salt}:{rule.id}:split", facts.key, [target.weight for target in targets])
    reason = f"{' and '.join(seen)}." if seen else "It always holds."
    return Considered(rule, "won", reason[0].upper() + reason[1:]), targets[index].model_id
