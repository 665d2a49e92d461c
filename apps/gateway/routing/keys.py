"""Which of a provider's keys is used next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from apps.gateway.contracts import ApiKey


def order_keys(
    keys: Sequence[ApiKey], *, turn: int, failed_at: Mapping[UUID, float], rests: Callable[[UUID], bool]
) -> tuple[ApiKey, ...]:
    """All keys, the best first: those that do not rest, the least recently failed first, the others in turn.

    `turn` counts calls, so that keys which never failed share the load; `failed_at` holds a clock's seconds.
    """
    if not keys:
        return ()
    first = turn % len(keys)
    rotated = [*keys[first:], *keys[:first]]
    return tuple(sorted(rotated, key=lambda key: (rests(key.id), failed_at.get(key.id, 0.0))))
