"""For whom the calls of a piece of work are made: every reservation below it counts against the same budgets.

Search, reranking and rewriting happen deep inside an answer and know nothing of visitors; the door that started
the work does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from uuid import UUID

from apps.gateway.contracts import NOBODY, Spender

_spender: ContextVar[Spender] = ContextVar("parley_spender", default=NOBODY)


@contextmanager
def spending_for(spender: Spender) -> Iterator[None]:
    """Every call made inside, in threads and tasks started inside too, is made for `spender`."""
    token = _spender.set(spender)
    try:
        yield
    finally:
        _spender.reset(token)


def current_spender(*, assistant_id: UUID | None = None, conversation_id: UUID | None = None) -> Spender:
    """The ambient spender, with what the caller knows better."""
    spender = _spender.get()
    if assistant_id is None and conversation_id is None:
        return spender
    return replace(
        spender,
        assistant_id=assistant_id or spender.assistant_id,
        conversation_id=conversation_id or spender.conversation_id,
    )
