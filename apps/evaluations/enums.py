"""The words that rows of this app may hold."""

from django.db.models import TextChoices


class CaseSource(TextChoices):
    """Where a case came from."""

    HAND = "hand", "Written by hand"
    CSV = "csv", "CSV file"
    MESSAGE = "message", "Rated answer"


class ExperimentStatus(TextChoices):
    """An experiment is open while it is running; the other two are final."""

    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"


class CaseStatus(TextChoices):
    """Where one planned case stands; `done` and `failed` are final."""

    PENDING = "pending", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class ResultStatus(TextChoices):
    """A skipped case lacked what the evaluator needs; a failed one could not be scored."""

    SCORED = "scored", "Scored"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
