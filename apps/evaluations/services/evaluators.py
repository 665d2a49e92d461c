"""Writes of evaluators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.evaluations import selectors
from apps.evaluations.models import Evaluator
from apps.evaluations.scorers import SettingsError, clean_settings, get_scorer
from apps.evaluations.services.fields import clean_name
from apps.tenants.services import audit
from parley.errors import Conflict, Invalid

# What an organisation that has made no evaluator is judged by: both need no settings.
STARTING_EVALUATORS = (("Right fact", "contains"), ("Right source", "cites_expected_document"))


def list_or_start_evaluators() -> list[UUID]:
    """Every evaluator of the ambient tenant; one that has none gets the two to start with. Safe to repeat."""
    known = list(selectors.list_evaluators().values_list("id", flat=True))
    return known or [create_evaluator(name=name, kind=kind).id for name, kind in STARTING_EVALUATORS]


def create_evaluator(*, name: str, kind: str, settings: Mapping[str, Any] | None = None) -> Evaluator:
    """Create an evaluator. Raises `Invalid` with sentences by setting, `Conflict` when the name is taken."""
    cleaned = _settings(kind, settings or {})
    evaluator = Evaluator(name=clean_name(name, "evaluator"), kind=kind, settings=cleaned)
    _save(evaluator)
    return evaluator


def update_evaluator(
    *, evaluator_id: UUID, name: str | None = None, settings: Mapping[str, Any] | None = None
) -> Evaluator:
    """Change name or settings; the kind stays. Experiments keep copies. Raises like `create_evaluator`."""
    evaluator = selectors.get_evaluator(evaluator_id)
    if name is not None:
        evaluator.name = clean_name(name, "evaluator")
    if settings is not None:
        evaluator.settings = _settings(evaluator.kind, settings)
    _save(evaluator)
    return evaluator


def delete_evaluator(*, evaluator_id: UUID) -> None:
    """Delete an evaluator. Results of finished experiments stay. Raises `NotFound`."""
    evaluator = selectors.get_evaluator(evaluator_id)
    audit.record(action="evaluator.deleted", target=evaluator.name)
    evaluator.delete()


def _settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(clean_settings(get_scorer(kind), settings))
    except SettingsError as problem:
        raise Invalid(str(problem), errors=problem.errors) from None


def _save(evaluator: Evaluator) -> None:
    try:
        with transaction.atomic():
            evaluator.save()
    except IntegrityError:
        sentence = f"There is already an evaluator named {evaluator.name!r}. Choose another name."
        raise Conflict(sentence, errors={"name": [sentence]}) from None
