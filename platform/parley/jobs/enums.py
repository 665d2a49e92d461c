"""Closed lists of jobs."""

from __future__ import annotations

from django.db import models


class JobState(models.TextChoices):
    """Where a job stands. `done`, `dead` and `cancelled` are ends; a dead job may be replayed."""

    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    DEAD = "dead", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class JobClass(models.TextChoices):
    """How urgent: somebody waits for an interactive job, nobody watches a bulk one."""

    INTERACTIVE = "interactive", "Interactive"
    BULK = "bulk", "Bulk"


# Not ended: it runs, or will.
OPEN_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
