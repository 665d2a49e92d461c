"""Writes of data sets."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.evaluations import selectors
from apps.evaluations.models import Dataset
from apps.evaluations.services.fields import clean_name
from apps.tenants.services import audit
from parley.errors import Conflict


def create_dataset(*, name: str, description: str = "") -> Dataset:
    """Create an empty data set. Raises `Invalid`, or `Conflict` when the name is taken."""
    dataset = Dataset(name=clean_name(name, "data set"), description=_description(description))
    _save(dataset)
    return dataset


def update_dataset(*, dataset_id: UUID, name: str | None = None, description: str | None = None) -> Dataset:
    """Rename or describe a data set; None leaves a field alone. Raises like `create_dataset`, `NotFound`."""
    dataset = selectors.get_dataset(dataset_id)
    if name is not None:
        dataset.name = clean_name(name, "data set")
    if description is not None:
        dataset.description = _description(description)
    _save(dataset)
    return dataset


def delete_dataset(*, dataset_id: UUID) -> None:
    """Delete a data set with its cases. Experiments keep their own copies. Raises `NotFound`."""
    dataset = selectors.get_dataset(dataset_id)
    audit.record(action="dataset.deleted", target=dataset.name, before={"cases": dataset.cases.count()})
    dataset.delete()


def _save(dataset: Dataset) -> None:
    try:
        with transaction.atomic():
            dataset.save()
    except IntegrityError:
        sentence = f"There is already a data set named {dataset.name!r}. Choose another name."
        raise Conflict(sentence, errors={"name": [sentence]}) from None


def _description(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())[:500]
