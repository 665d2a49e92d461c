"""The kinds of evaluators. A module in this package with a `SCORER` is a kind; nothing else lists them."""

from __future__ import annotations

import pkgutil
from functools import lru_cache
from importlib import import_module

from apps.evaluations.scorers.base import (
    Scorer,
    ScorerFailed,
    ScorerTools,
    SettingField,
    SettingsError,
    clean_settings,
)

__all__ = [
    "Scorer",
    "ScorerFailed",
    "ScorerTools",
    "SettingField",
    "SettingsError",
    "all_scorers",
    "clean_settings",
    "get_scorer",
]


@lru_cache(maxsize=1)
def all_scorers() -> dict[str, Scorer]:
    """Every kind by its name, simplest first as each scorer's `position` says."""
    modules = (import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    scorers: list[Scorer] = [module.SCORER for module in modules if hasattr(module, "SCORER")]
    return {scorer.kind: scorer for scorer in sorted(scorers, key=lambda scorer: scorer.position)}


def get_scorer(kind: str) -> Scorer:
    """The scorer of a kind. Raises `SettingsError` for an unknown one."""
    try:
        return all_scorers()[kind]
    except KeyError:
        known = ", ".join(all_scorers())
        raise SettingsError({"kind": [f"There is no evaluator kind {kind!r}. Choose one of: {known}."]}) from None
