"""The test set that comes with an assistant made from a starter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.evaluations.contracts import CaseSpec
from apps.evaluations.services.cases import add_case
from apps.evaluations.services.datasets import create_dataset

if TYPE_CHECKING:
    from apps.assistants.models import Assistant
    from apps.assistants.starters import Starter


def make_test_set(assistant: Assistant, starter: Starter) -> None:
    """A data set named after the assistant with the starter's cases. Runs inside the caller's `tenant_tx`.

    The slug is in the name, because it is free for exactly one assistant.
    """
    dataset = create_dataset(name=f"{assistant.name}: first tests ({assistant.slug})"[:100])
    for case in starter.cases:
        add_case(dataset_id=dataset.id, case=CaseSpec(question=case.question, notes=case.expected))
