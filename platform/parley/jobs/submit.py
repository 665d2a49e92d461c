"""Asking for work: the row is written in the caller's transaction, so nothing committed is ever forgotten."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from parley.jobs.announce import announce
from parley.jobs.enums import JobClass, JobState
from parley.jobs.kinds import get_kind
from parley.jobs.models import Job, JobPause
from parley.tenancy import require_tenant_id, tenant_tx

MAX_ARGUMENT_BYTES = 1024
_NAME = re.compile(r"[\w.:-]{0,80}")


def submit(
    kind: str,
    *,
    subject_id: UUID | None = None,
    group_id: UUID | None = None,
    arguments: Mapping[str, str | int | bool] | None = None,
    idempotency_key: str = "",
    run_after: datetime | None = None,
    job_class: JobClass | None = None,
) -> UUID:
    """Write a job for the ambient tenant; it starts after the commit. Returns the job's id.

    Safe to repeat with an `idempotency_key`: the job of that key is returned as it stands. A paused kind or group
    takes the job in and lets it wait. Raises `LookupError` for an unknown kind, `ValueError` for arguments that
    are more than names and numbers.
    """
    declared = get_kind(kind)
    given = dict(arguments or {})
    _require_small(kind, given)
    tenant_id = require_tenant_id()
    with tenant_tx():
        if idempotency_key:
            known = Job.objects.filter(idempotency_key=idempotency_key).values_list("id", flat=True).first()
            if known is not None:
                return UUID(str(known))
        wanted = Job(
            kind=kind,
            job_class=job_class or declared.job_class,
            subject_id=subject_id,
            group_id=group_id,
            arguments=given,
            idempotency_key=idempotency_key,
            max_tries=declared.max_tries,
            state=JobState.PAUSED if is_paused(kind, group_id) else JobState.QUEUED,
            # By the database's clock, which also decides what is due.
            run_after=run_after or Now(),
        )
        # Two callers with one key: the second insert does nothing, and its caller gets the first one's job.
        Job.objects.bulk_create([wanted], ignore_conflicts=bool(idempotency_key))
        job_id: UUID = wanted.id
        if idempotency_key:
            job_id = Job.objects.values_list("id", flat=True).get(idempotency_key=idempotency_key)
        if run_after is None and wanted.state == JobState.QUEUED:
            urgency = wanted.job_class
            transaction.on_commit(lambda: announce(urgency, tenant_id=tenant_id, job_id=job_id), robust=True)
    return job_id


def is_paused(kind: str, group_id: UUID | None = None) -> bool:
    """Whether new jobs of this kind wait, for the whole tenant or for this group."""
    whole = Q(group_id=None)
    return bool(JobPause.objects.filter(whole | Q(group_id=group_id) if group_id else whole, kind=kind).exists())


def _require_small(kind: str, arguments: Mapping[str, object]) -> None:
    """C-12: ids, names and numbers, 1 KB at most; content and secrets stay in their own rows."""
    for name, value in arguments.items():
        if not isinstance(value, bool | int) and not (isinstance(value, str) and _NAME.fullmatch(value)):
            raise ValueError(f"A job of {kind} takes ids and numbers, but {name} is something else.")
    if len(json.dumps(arguments)) > MAX_ARGUMENT_BYTES:
        raise ValueError(f"The arguments of a job of {kind} are larger than {MAX_ARGUMENT_BYTES} bytes.")
