"""Addresses that a knowledge base is filled from, each sync of them, and every page they led to."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from apps.knowledge.models.document import MAX_TAG_CHARS, Document
from apps.knowledge.models.knowledge_base import KnowledgeBase
from apps.knowledge.source_enums import (
    OPEN_RUN,
    PageOutcome,
    PageState,
    RunState,
    RunTrigger,
    SourceKind,
    SourceSchedule,
)
from parley.tenancy.models import TenantForeignKey, TenantOwned

MAX_ADDRESS = 2_000


class Source(TenantOwned):
    """An address somebody named, how far to follow it, and when to look again."""

    platform_access = "read"

    knowledge_base = TenantForeignKey(KnowledgeBase, on_delete=models.CASCADE, related_name="sources")
    kind = models.CharField(max_length=8, choices=SourceKind.choices)
    address = models.CharField(max_length=MAX_ADDRESS)
    # Where the address led when it was last fetched, if elsewhere: a crawl may stay on that site too.
    resolved_address = models.CharField(max_length=MAX_ADDRESS, blank=True)

    max_depth = models.PositiveSmallIntegerField(default=5)
    max_pages = models.PositiveIntegerField(default=500)
    include: Any = models.JSONField(default=list)
    exclude: Any = models.JSONField(default=list)
    obeys_robots = models.BooleanField(default=True)
    delay_seconds = models.FloatField(default=1.0)
    # Joins the metadata of every document that comes from here.
    metadata: Any = models.JSONField(default=dict)
    # What its pages begin with; a change is carried to those that are there at once.
    access_tags = ArrayField(models.CharField(max_length=MAX_TAG_CHARS), default=list)

    schedule = models.CharField(max_length=8, choices=SourceSchedule.choices, default=SourceSchedule.NONE)
    next_run_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "knowledge_base", "kind", "address"], name="knowledge_source_address_key"
            )
        ]
        indexes = [
            models.Index(fields=["next_run_at"], condition=Q(next_run_at__isnull=False), name="knowledge_source_due")
        ]

    def __str__(self) -> str:
        return self.address


class SourceRun(TenantOwned):
    """One sync of a source: an entry of the sync log. A job of its own does the work.

    `attempt` only ever rises and fences off a worker whose job was taken over or cancelled. `known_count` is how many
    pages were current when the run began. `problems` holds `{"address", "outcome", "sentence"}` of the first failed
    and skipped pages.
    """

    source = TenantForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=8, choices=RunTrigger.choices, default=RunTrigger.MANUAL)
    fire_at = models.DateTimeField(null=True)
    accepts_losses = models.BooleanField(default=False)

    state = models.CharField(max_length=9, choices=RunState.choices, default=RunState.QUEUED)
    message = models.CharField(max_length=500, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    pauses = models.PositiveSmallIntegerField(default=0)
    is_seeded = models.BooleanField(default=False)
    is_capped = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    known_count = models.PositiveIntegerField(default=0)
    new_count = models.PositiveIntegerField(default=0)
    changed_count = models.PositiveIntegerField(default=0)
    unchanged_count = models.PositiveIntegerField(default=0)
    gone_count = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0)
    skipped_count = models.PositiveIntegerField(default=0)
    problems: Any = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "source"],
                condition=Q(state__in=[str(state) for state in OPEN_RUN]),
                name="knowledge_sourcerun_open_key",
            ),
            models.UniqueConstraint(
                fields=["tenant", "source", "fire_at"],
                condition=Q(fire_at__isnull=False),
                name="knowledge_sourcerun_fire_key",
            ),
        ]


class SourcePage(TenantOwned):
    """A page of a source, and the frontier of its running sync: `queued_in` waits, `visited_in` is done.

    `key` is the identity of its address, equal for spellings of one page. `links` are kept so that a page that says
    “not modified” still leads on.
    """

    source = TenantForeignKey(Source, on_delete=models.CASCADE, related_name="pages")
    key = models.CharField(max_length=MAX_ADDRESS)
    address = models.CharField(max_length=MAX_ADDRESS)
    shape = models.CharField(max_length=500, blank=True)
    depth = models.PositiveSmallIntegerField(default=0)

    state = models.CharField(max_length=8, choices=PageState.choices, default=PageState.FOUND)
    reason = models.CharField(max_length=500, blank=True)
    etag = models.CharField(max_length=300, blank=True)
    last_modified = models.CharField(max_length=100, blank=True)
    text_hash = models.CharField(max_length=64, blank=True)
    fingerprint = models.BigIntegerField(default=0)
    links: Any = models.JSONField(default=list)
    document = TenantForeignKey(Document, on_delete=models.SET_NULL, null=True, related_name="+")
    last_seen_at = models.DateTimeField(null=True)

    queued_in = TenantForeignKey(SourceRun, on_delete=models.SET_NULL, null=True, related_name="+")
    visited_in = TenantForeignKey(SourceRun, on_delete=models.SET_NULL, null=True, related_name="+")
    outcome = models.CharField(max_length=9, choices=PageOutcome.choices, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "source", "key"], name="knowledge_sourcepage_key")]
        indexes = [models.Index(fields=["tenant", "source", "shape"], name="knowledge_sourcepage_shape")]
