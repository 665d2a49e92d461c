"""Closed lists of assistants."""

from django.db import models


class MoveState(models.TextChoices):
    """What became of a planned move of a label."""

    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
