"""Closed lists of assistants."""

from django.db import models


class MoveState(models.TextChoices):
    """What became of a planned move of a label."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class GroundingChoice(models.TextChoices):
    """What becomes of sentences of an answer that its passages do not support (`contracts.GroundingPolicy`)."""

    OFF = "off", "Do not check"
    ANNOTATE = "annotate", "Mark them for us"
    REWRITE = "rewrite", "Leave them out and let the model try once more"
    REFUSE = "refuse", "End the answer with the refusal sentence"
