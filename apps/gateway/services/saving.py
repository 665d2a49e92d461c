"""What is given up while a budget runs low: first the dearer model, then context, then fresh answers (safety.md §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from apps.gateway.contracts import Grade, ModelChoice, Price, ResolvedRoute

# An answer writes about a quarter of what it reads.
_READ_FOR_EACH_WRITTEN = 4
# Of history and passages, what a shorter prompt keeps; and of the longest answer.
SHORTER_SHARE_PERCENT = 50


def ordered(choices: Sequence[ModelChoice], grade: Grade) -> list[ModelChoice]:
    """The choices of a route in the order to ask them: the route's own, or the cheapest first.

    Quotes stay the last resort: they cost nothing, but they are no answer in words of its own.
    """
    if grade < Grade.CHEAPER:
        return list(choices)
    return sorted(choices, key=lambda choice: (choice.is_extractive, choice.price is None, _rate(choice.price)))


def route_for(route: ResolvedRoute, grade: Grade) -> ResolvedRoute:
    """The route as it is asked at this grade."""
    return route if grade < Grade.CHEAPER else replace(route, choices=tuple(ordered(route.choices, grade)))


def cheaper_than_first(choices: Sequence[ModelChoice]) -> list[ModelChoice]:
    """Those that cost less than the preferred one, the cheapest last resort at the end."""
    if not choices or choices[0].price is None:
        return []
    most = _rate(choices[0].price)
    return [choice for choice in ordered(choices, Grade.CHEAPER) if choice.price and _rate(choice.price) < most]


def context_percent(grade: Grade) -> int:
    """How much of the usual history and passages a prompt carries."""
    return 100 if grade < Grade.SHORTER else SHORTER_SHARE_PERCENT


def shorter(tokens: int, grade: Grade) -> int:
    """So many tokens of an answer, or the part of them that is kept while saving."""
    return tokens * context_percent(grade) // 100


def _rate(price: Price | None) -> Decimal:
    if price is None:
        return Decimal(0)
    return price.input_per_million * _READ_FOR_EACH_WRITTEN + price.output_per_million
