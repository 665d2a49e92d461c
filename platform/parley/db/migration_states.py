"""Keeps migrating quick: a change renders the models that depend on it, not every model of the product.

Django renders again whatever is related to a changed model within two steps, in either direction. Here every model
refers to the tenant, so each of the hundreds of small changes rendered all of them, and a first start was mostly
that. What a change can make stale are the models that refer to the changed one, directly or through others: those
hold its class. A model that is merely referred to holds nothing; Django works out its reverse relations anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.migrations.state import ProjectState

ModelKey = tuple[str, str]


@contextmanager
def rendering_dependents_only() -> Iterator[None]:
    """Within it, changed models and what refers to them are rendered again, and nothing else."""
    states: Any = ProjectState
    within_two_steps = states._find_reload_model
    states._find_reload_model = _dependents
    try:
        yield
    finally:
        states._find_reload_model = within_two_steps


def _dependents(state: Any, app_label: str, model_name: str, delay: bool = False) -> set[ModelKey]:
    """The model and all that refer to it, directly or not, by (app label, lower-case name)."""
    found: set[ModelKey] = set()
    waiting: list[ModelKey] = [(app_label, model_name)]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += state.relations.get(key, ())
    return found
