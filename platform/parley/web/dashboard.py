"""What the apps put on a tenant's dashboard: the page's app knows none above it, so they register here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Count:
    """A figure with its name, e.g. `Count("Documents", "1,204", href=…, detail="3 failed", tone="bad")`."""

    label: str
    value: str
    href: str = ""
    detail: str = ""
    tone: Literal["", "good", "warn", "bad"] = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something a person should look at now: one sentence, and where to act on it."""

    text: str
    href: str
    action: str
    tone: Literal["warn", "bad"] = "warn"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the first-run checklist, which ends itself when every step is done."""

    label: str
    hint: str
    href: str
    action: str
    is_done: bool
    icon: str = "circle"


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one app has to say, for this reader; everything it may not open is left out by the app."""

    counts: tuple[Count, ...] = ()
    attention: tuple[Attention, ...] = ()
    steps: tuple[Step, ...] = ()


Card = Callable[[Any, str], Contribution]

_cards: dict[str, tuple[int, Card]] = {}


def register_card(card: Card, *, order: int = 100) -> Card:
    """Add an app's contribution; call it from the app's `AppConfig.ready()`.

    `card(actor, tenant_slug)` is called once per dashboard view, inside the tenant's transaction, and must
    be cheap: a query or two, no model calls. Lower `order` comes first (knowledge 20, assistants 30,
    conversations 40, gateway 50, evaluations 60). Registering a function again changes nothing.
    """
    _cards[f"{card.__module__}.{card.__qualname__}"] = (order, card)
    return card


def collect(actor: Any, tenant_slug: str) -> Contribution:
    """Everything registered, in order, as one contribution."""
    parts = [card(actor, tenant_slug) for _, card in sorted(_cards.values(), key=lambda entry: entry[0])]
    return Contribution(
        counts=tuple(count for part in parts for count in part.counts),
        attention=tuple(item for part in parts for item in part.attention),
        steps=tuple(step for part in parts for step in part.steps),
    )
