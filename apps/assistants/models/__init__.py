"""Tables of assistants, one module per kind."""

from apps.assistants.models.assistants import (
    HOTTEST,
    LONGEST_ANSWER,
    MOST_EXAMPLE_TOKENS,
    Assistant,
    AssistantKnowledgeBase,
    new_public_id,
)
from apps.assistants.models.blocks import PromptBlock, PromptBlockVersion
from apps.assistants.models.examples import LONGEST_EXAMPLE_ANSWER, LONGEST_EXAMPLE_QUESTION, FewShotExample
from apps.assistants.models.labels import LABEL_LENGTH, LabelMove, ScheduledMove, VersionLabel
from apps.assistants.models.versions import AssistantVersion

__all__ = [
    "HOTTEST",
    "LABEL_LENGTH",
    "LONGEST_ANSWER",
    "LONGEST_EXAMPLE_ANSWER",
    "LONGEST_EXAMPLE_QUESTION",
    "MOST_EXAMPLE_TOKENS",
    "Assistant",
    "AssistantKnowledgeBase",
    "AssistantVersion",
    "FewShotExample",
    "LabelMove",
    "PromptBlock",
    "PromptBlockVersion",
    "ScheduledMove",
    "VersionLabel",
    "new_public_id",
]
