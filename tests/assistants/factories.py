"""Assistants, specs and model choices for tests."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from apps.assistants.contracts import Source, VersionSpec
from apps.gateway.contracts import ModelChoice, Price
from parley.llm import ModelTarget


def make_spec(**changes: Any) -> VersionSpec:
    values: dict[str, Any] = {
        "version_id": uuid4(),
        "assistant_id": uuid4(),
        "assistant_slug": "guide",
        "number": 1,
        "name": "Guide",
        "instructions": "You help people who use Parley.",
        "model_id": None,
        "knowledge_base_ids": (uuid4(),),
        "temperature": 0.2,
        "max_output_tokens": 512,
        "refusal": "I could not find that.",
        "opening_message": "",
    }
    return VersionSpec(**{**values, **changes})


def make_source(number: int, text: str, title: str = "guide.md", **changes: Any) -> Source:
    values: dict[str, Any] = {
        "chunk_id": uuid4(),
        "document_id": uuid4(),
        "location": "",
        "score": 1.0 / number,
    }
    return Source(number=number, title=title, text=text, **{**values, **changes})


def make_choice(*, context_tokens: int = 16_000, **changes: Any) -> ModelChoice:
    values: dict[str, Any] = {
        "model_id": UUID(int=7),
        "provider_id": UUID(int=8),
        "label": "Fake",
        "target": ModelTarget(backend="openai", model="fake"),
        "max_output_tokens": 4_096,
        "price": Price(Decimal(1), Decimal(2)),
    }
    return ModelChoice(context_tokens=context_tokens, **{**values, **changes})


def make_assistant(**fields: Any) -> Any:
    """An assistant of the ambient tenant, made by the product's own service."""
    from apps.assistants.services.assistants import create_assistant

    return create_assistant(**{"name": "Guide", "instructions": "Help people.", **fields})
