"""What the demo consists of, in words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

TENANT_NAME = "Demo"
TENANT_SLUG = "demo"
PERSON_NAME = "Demo"
API_KEY_NAME = "Demo key"
MONTHLY_BUDGET = Decimal(25)

KNOWLEDGE_BASE_NAME = "Parley guide"
KNOWLEDGE_BASE_DESCRIPTION = "How to set up and use Parley: the guide of this very installation."

ASSISTANT_SLUG = "parley-guide"
VERSION_NOTE = "The demo's first version"
ASSISTANT: dict[str, Any] = {
    "name": "Parley guide",
    "instructions": (
        "You help people who set up and use Parley. Answer from the sources in one to four short sentences, in "
        "plain words, and name the exact command, setting or page where one is given. If the sources do not "
        "answer the question, say so."
    ),
    "refusal": "I could not find an answer to that in the Parley guide.",
    "opening_message": "Hello! Ask me how to set up or use Parley. I answer from its guide and show the passage.",
    "suggested_questions": (
        "How do I embed the widget in my website?",
        "Which files can I upload?",
        "What happens when the budget is used up?",
    ),
    "temperature": 0.2,
    "max_output_tokens": 400,
}

DATASET_NAME = "Questions about Parley"
DATASET_DESCRIPTION = "Twenty questions that new users ask, with the fact and the page that answer them."

EVALUATORS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Right fact", "contains", {"require": "all"}),
    ("Right source", "cites_expected_document", {}),
)
# The local model takes seconds per answer on two cores and would keep the first visitor waiting.
EXPERIMENT_NAME = "First look: answers quoted from the guide, no language model"

QUESTIONS_FILE = Path(__file__).parent / "questions.csv"


def guide_files() -> list[Path]:
    """The pages of the user guide. Raises `FileNotFoundError` when this installation has none."""
    folder: Path = settings.ROOT / "docs" / "guide"
    files = sorted(folder.glob("*.md"))
    if not files:
        raise FileNotFoundError(f"The user guide is not part of this installation (looked in {folder}).")
    return files
