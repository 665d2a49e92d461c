"""The kinds and states of sources, their syncs and their pages; the words are the ones of the API and of the screen."""

from django.db import models


class SourceKind(models.TextChoices):
    """How much of a site an address stands for."""

    PAGE = "page", "One page"
    SITEMAP = "sitemap", "Sitemap"
    CRAWL = "crawl", "Whole site"


class SourceSchedule(models.TextChoices):
    """How often a source is synced by itself."""

    NONE = "none", "Only by hand"
    HOURLY = "hourly", "Every hour"
    DAILY = "daily", "Every day"
    WEEKLY = "weekly", "Every week"


class RunTrigger(models.TextChoices):
    """Why a sync was started."""

    ADDED = "added", "Added"
    MANUAL = "manual", "By hand"
    SCHEDULE = "schedule", "On schedule"


class RunState(models.TextChoices):
    """A sync ends `completed`, `failed` with a sentence, or `cancelled`; the last two delete nothing."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_RUN = (RunState.QUEUED, RunState.RUNNING)


class PageState(models.TextChoices):
    """What is known of a page; only a `current` one has a document, and `removed` ones were deleted by hand."""

    FOUND = "found"
    CURRENT = "current"
    FAILED = "failed"
    SKIPPED = "skipped"
    GONE = "gone"
    REMOVED = "removed"


class PageOutcome(models.TextChoices):
    """What one sync made of a page; rules, robots or the page itself keep out `skipped` ones."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    FAILED = "failed"
    SKIPPED = "skipped"
