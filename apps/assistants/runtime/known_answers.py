"""Answers that were given before, for a budget that asks to prefer them. Whoever keeps a cache says so here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apps.assistants.contracts import VersionSpec

# What is known for this version and question, or None. May wait for a database, never for a model.
Finder = Callable[[VersionSpec, str], Awaitable[str | None]]

_finders: list[Finder] = []


def find_known_answers_with(finder: Finder) -> None:
    """Called once at start by a cache. The first one that knows an answer gives it."""
    _finders.append(finder)


async def known_answer(version: VersionSpec, query: str) -> str | None:
    """An answer that needs no model, or None."""
    for finder in _finders:
        answer = await finder(version, query)
        if answer:
            return answer
    return None
