"""Making an assistant from a starter: draft, examples and, by whoever keeps them, a test set."""

from collections.abc import Callable
from typing import Unpack

from django.db import transaction

from apps.assistants.models import Assistant
from apps.assistants.services.assistants import DraftFields, create_assistant
from apps.assistants.services.examples import add_example
from apps.assistants.starters import Starter, find_starter
from parley.errors import Invalid

TestSetMaker = Callable[[Assistant, Starter], None]
_makers: list[TestSetMaker] = []


def on_started(maker: TestSetMaker) -> TestSetMaker:
    """Register what makes the test set of a new assistant, inside its transaction. The data sets live above."""
    if maker not in _makers:
        _makers.append(maker)
    return maker


@transaction.atomic
def start_from(*, starter: str, slug: str | None = None, **fields: Unpack[DraftFields]) -> Assistant:
    """Make an assistant from a starter; `fields` win over what it brings.

    Its examples and its test set come along. Raises `Invalid` for an unknown starter, otherwise as
    `create_assistant` does.
    """
    found = find_starter(starter)
    if found is None:
        sentence = f"There is no starter {starter!r}. The list is at /api/v1/assistant-starters/."
        raise Invalid(sentence, errors={"starter": [sentence]})
    values = DraftFields(name=found.name, variables=found.variables, **found.fields)  # type: ignore[typeddict-item] # settings by name
    values.update(fields)
    assistant = create_assistant(slug=slug, **values)
    for example in found.examples:
        add_example(
            assistant_id=assistant.id, question=example.question, answer=example.answer, tags=list(example.tags)
        )
    for make in _makers:
        make(assistant, found)
    assistant.refresh_from_db()
    return assistant
