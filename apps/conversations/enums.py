"""The closed lists of this app."""

from django.db import models


class Channel(models.TextChoices):
    """Through which door a conversation came."""

    PAGE = "page", "Page"
    PUBLIC = "public", "Public page"
    WIDGET = "widget", "Widget"
    API = "api", "API"
    OPENAI = "openai", "OpenAI API"
    TEST = "test", "Draft test"


class MessageRole(models.TextChoices):
    USER = "user", "Visitor"
    ASSISTANT = "assistant", "Assistant"


class GenerationStatus(models.TextChoices):
    """The life of one run that produces an answer. The last four are final."""

    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Answering"
    COMPLETED = "completed", "Answered"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Stopped"
    INTERRUPTED = "interrupted", "Interrupted"


OPEN_STATUSES = (GenerationStatus.QUEUED, GenerationStatus.RUNNING)


class RatingValue(models.TextChoices):
    UP = "up", "Helpful"
    DOWN = "down", "Not helpful"


class RatingReason(models.TextChoices):
    """Why a rating was given; several may be chosen."""

    CORRECT = "correct", "Correct"
    CLEAR = "clear", "Clear"
    COMPLETE = "complete", "Complete"
    WRONG = "wrong", "Wrong"
    INCOMPLETE = "incomplete", "Incomplete"
    UNCLEAR = "unclear", "Hard to follow"
    WRONG_SOURCE = "wrong_source", "Wrong source"
    OFF_TOPIC = "off_topic", "Not what I asked"
    OTHER = "other", "Something else"
