"""The table of work, the turn of each tenant, and what is paused."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from parley.jobs.enums import JobClass, JobState
from parley.tenancy.constraints import PlatformAccess
from parley.tenancy.models import TenantOwned


class Job(TenantOwned):
    """A piece of work, inserted in the transaction that asks for it.

    `attempt` is the fencing token: it grows with every start, and a write that names an older one misses.
    `tries` counts the starts that ended badly in a row and decides when to give up. `group_id` is what is paused
    or cancelled together (a knowledge base). `arguments` hold ids and small numbers only, never content (C-12).
    """

    platform_access: ClassVar[PlatformAccess] = "write"

    kind = models.CharField(max_length=64)
    job_class = models.CharField(max_length=16, choices=JobClass)
    subject_id = models.UUIDField(null=True)
    group_id = models.UUIDField(null=True)
    arguments = models.JSONField(default=dict)
    idempotency_key = models.CharField(max_length=120, blank=True)

    state = models.CharField(max_length=16, choices=JobState, default=JobState.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    max_tries = models.PositiveSmallIntegerField(default=3)
    run_after = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=80, blank=True)

    stage = models.CharField(max_length=40, blank=True)
    stage_at = models.DateTimeField(null=True)
    done_units = models.PositiveIntegerField(default=0)
    total_units = models.PositiveIntegerField(default=0)

    last_error = models.CharField(max_length=500, blank=True)
    crash_signature = models.CharField(max_length=200, blank=True)

    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="jobs_job_once",
                condition=~models.Q(idempotency_key=""),
            ),
            models.CheckConstraint(
                name="jobs_job_leased_while_running",
                condition=~models.Q(state=JobState.RUNNING) | models.Q(lease_until__isnull=False),
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            # The relay's look: which tenants wait, and what is the oldest of each.
            models.Index(
                fields=["job_class", "tenant", "id"],
                name="jobs_job_waiting",
                condition=models.Q(state=JobState.QUEUED),
            ),
            models.Index(
                fields=["tenant", "lease_until"],
                name="jobs_job_running",
                condition=models.Q(state=JobState.RUNNING),
            ),
            models.Index(fields=["tenant", "subject_id", "-id"], name="jobs_job_subject"),
            models.Index(fields=["tenant", "state", "-id"], name="jobs_job_state"),
            models.Index(
                fields=["finished_at"],
                name="jobs_job_ended",
                condition=models.Q(finished_at__isnull=False),
            ),
        ]


class JobTurn(TenantOwned):
    """How much worker time a tenant has had: of two with equally many running jobs, the lower one is next."""

    platform_access: ClassVar[PlatformAccess] = "write"

    virtual_time = models.FloatField(default=0.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="jobs_jobturn_once")]


class JobPause(TenantOwned):
    """A kind of job that waits until somebody resumes it, for a whole tenant or for one group."""

    platform_access: ClassVar[PlatformAccess] = "read"

    kind = models.CharField(max_length=64)
    group_id = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "kind", "group_id"], name="jobs_jobpause_once", nulls_distinct=False
            )
        ]
