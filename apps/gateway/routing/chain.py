"""Puts the models of a route into the order in which they are tried. Pure: no tables, no network."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from apps.gateway.contracts import ModelChoice


def order_choices(
    routed: Iterable[ModelChoice],
    *,
    pinned: ModelChoice | None = None,
    last_resort: ModelChoice | None = None,
) -> tuple[ModelChoice, ...]:
    """The pinned model first, then the route in its own order, each model once.

    The last resort comes at the very end, unless a person put it earlier on purpose.
    """
    candidates = [*([pinned] if pinned else []), *routed, *([last_resort] if last_resort else [])]
    seen: set[UUID] = set()
    ordered: list[ModelChoice] = []
    for choice in candidates:
        if choice.model_id not in seen:
            seen.add(choice.model_id)
            ordered.append(choice)
    return tuple(ordered)
