"""Tables of assistants, one module per kind."""

from apps.assistants.models.assistants import (
    HOTTEST,
    LONGEST_ANSWER,
    Assistant,
    AssistantKnowledgeBase,
    new_public_id,
)
from apps.assistants.models.blocks import PromptBlock, PromptBlockVersion
from apps.assistants.models.labels import LABEL_LENGTH, LabelMove, ScheduledMove, VersionLabel
from apps.assistants.models.versions import AssistantVersion

__all__ = [
    "HOTTEST",
    "LABEL_LENGTH",
    "LONGEST_ANSWER",
    "Assistant",
    "AssistantKnowledgeBase",
    "AssistantVersion",
    "LabelMove",
    "PromptBlock",
    "PromptBlockVersion",
    "ScheduledMove",
    "VersionLabel",
    "new_public_id",
]
