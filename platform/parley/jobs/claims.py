"""Who is next: the tenant with the fewest running jobs, then the one that has had the least worker time.

A worker asks when it is free, so the order is decided at the last moment, in PostgreSQL: a job submitted now stands
before ten thousand of somebody else's that wait already, and a tenant alone uses every slot. Weighing by time used
is start-time fair queueing (Goyal, Vin and Cheng, 1996) with one unit charged at the start and corrected at the end.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from parley.db.ids import uuid7
from parley.jobs.enums import JobClass
from parley.jobs.leases import LEASE
from parley.tenancy.managers import PLATFORM_ALIAS

_CHARGED_AT_START = 1.0
_NOT_TAKEN_FOR = 1.0


def _joined(*parts: str) -> str:
    """A statement from its parts, all of them written here."""
    return "".join(parts)


# A loose index scan: one step of the index per waiting tenant, however many jobs each has.
_WAITING = """
WITH RECURSIVE waiting AS (
    (SELECT tenant_id FROM jobs_job
     WHERE state = 'queued' AND job_class = %(job_class)s
       AND run_after <= statement_timestamp() - make_interval(secs => %(age)s)
     ORDER BY tenant_id LIMIT 1)
  UNION ALL
    SELECT (SELECT tenant_id FROM jobs_job
            WHERE state = 'queued' AND job_class = %(job_class)s
       AND run_after <= statement_timestamp() - make_interval(secs => %(age)s)
              AND tenant_id > w.tenant_id
            ORDER BY tenant_id LIMIT 1)
    FROM waiting w WHERE w.tenant_id IS NOT NULL
), running AS (
    SELECT tenant_id, count(*) AS jobs FROM jobs_job WHERE state = 'running' GROUP BY tenant_id
)
"""

_TURNS = _joined(
    _WAITING,
    """
SELECT w.tenant_id,
       coalesce((SELECT min(s.virtual_time) FROM running JOIN jobs_jobturn s USING (tenant_id)), 0)
FROM waiting w LEFT JOIN running r USING (tenant_id) LEFT JOIN jobs_jobturn t USING (tenant_id)
WHERE w.tenant_id IS NOT NULL
ORDER BY coalesce(r.jobs, 0), coalesce(t.virtual_time, 0), w.tenant_id
LIMIT 8
""",
)

_OTHERS = _joined(
    _WAITING,
    """
SELECT EXISTS (
    SELECT 1 FROM waiting w LEFT JOIN running r USING (tenant_id)
    WHERE w.tenant_id IS NOT NULL
      AND (%(any_tenant)s OR coalesce(r.jobs, 0) < (SELECT jobs FROM running WHERE tenant_id = %(tenant_id)s)
                             AND w.tenant_id <> %(tenant_id)s))
""",
)

_START = """
UPDATE jobs_job SET state = 'running', attempt = attempt + 1, tries = tries + 1, started_at = statement_timestamp(),
    lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
    worker = %(worker)s, stage = '', stage_at = NULL
WHERE id = (
    SELECT j.id FROM jobs_job j WHERE """
# The last condition catches a job that was submitted while its kind was being paused.
_IS_DUE = """j.state = 'queued' AND j.run_after <= statement_timestamp() AND NOT EXISTS (
        SELECT 1 FROM jobs_jobpause p WHERE p.tenant_id = j.tenant_id AND p.kind = j.kind
        AND (p.group_id IS NULL OR p.group_id = j.group_id))"""
_OLDEST = """
        AND j.job_class = %(job_class)s AND j.tenant_id = %(tenant_id)s
    ORDER BY j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED)"""
_THIS = """
        AND j.id = %(job_id)s FOR UPDATE OF j)"""
_RETURNING = """
RETURNING id, tenant_id, kind, job_class, subject_id, group_id, arguments, attempt
"""
_TAKE_NEXT = _joined(_START, _IS_DUE, _OLDEST, _RETURNING)
_TAKE_ONE = _joined(_START, _IS_DUE, _THIS, _RETURNING)

_CHARGE = """
INSERT INTO jobs_jobturn (id, tenant_id, created_at, virtual_time)
VALUES (%(id)s, %(tenant_id)s, statement_timestamp(), %(floor)s + %(charge)s)
ON CONFLICT (tenant_id) DO UPDATE
SET virtual_time = greatest(jobs_jobturn.virtual_time, %(floor)s) + %(charge)s
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a job once, as long as `attempt` is the job's own."""

    job_id: UUID
    tenant_id: UUID
    kind: str
    job_class: str
    subject_id: UUID | None
    group_id: UUID | None
    arguments: dict[str, Any]
    attempt: int


def claim_next(job_class: str) -> Claim | None:
    """Take the job whose turn it is, or None. Interactive jobs come first, and only they with `interactive`.

    One short transaction as the platform role. The attempt is counted before any work, so a job that kills its
    worker is counted too. Two workers never get the same job: rows that another one is taking are skipped.
    """
    classes = [JobClass.INTERACTIVE] if job_class == JobClass.INTERACTIVE else [JobClass.INTERACTIVE, JobClass.BULK]
    with transaction.atomic(using=PLATFORM_ALIAS), connections[PLATFORM_ALIAS].cursor() as cursor:
        for wanted in classes:
            cursor.execute(_TURNS, {"job_class": wanted.value, "age": 0.0})
            for tenant_id, floor in cursor.fetchall():
                cursor.execute(_TAKE_NEXT, {**_claimed_by(), "job_class": wanted.value, "tenant_id": tenant_id})
                row = cursor.fetchone()
                if row is not None:
                    charge = {"id": uuid7(), "tenant_id": tenant_id, "floor": floor, "charge": _CHARGED_AT_START}
                    cursor.execute(_CHARGE, charge)
                    return _claim(row)
    return None


def claim_one(job_id: UUID, *, using: str) -> Claim | None:
    """Take this job if it waits and is due. On `default` the caller has opened its tenant's transaction."""
    with connections[using].cursor() as cursor:
        cursor.execute(_TAKE_ONE, {**_claimed_by(), "job_id": job_id})
        row = cursor.fetchone()
    return None if row is None else _claim(row)


def charge_time(tenant_id: UUID, seconds: float) -> None:
    """Correct what was charged at the start to the worker time that a run really took."""
    with connections[PLATFORM_ALIAS].cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_jobturn SET virtual_time = virtual_time + %s WHERE tenant_id = %s",
            [seconds - _CHARGED_AT_START, tenant_id],
        )


def others_wait(tenant_id: UUID, job_class: str) -> bool:
    """Whether a fair order would give this tenant's slot to somebody else now.

    That is: another tenant with fewer running jobs, or for a bulk job anybody in a hurry, has waited for a second.
    """
    asked = [(job_class, False)]
    if job_class == JobClass.BULK:
        asked.append((JobClass.INTERACTIVE.value, True))
    with connections[PLATFORM_ALIAS].cursor() as cursor:
        for wanted, any_tenant in asked:
            names: dict[str, Any] = {
                "tenant_id": tenant_id,
                "job_class": wanted,
                "any_tenant": any_tenant,
                "age": _NOT_TAKEN_FOR,
            }
            cursor.execute(_OTHERS, names)
            if cursor.fetchone()[0]:
                return True
    return False


def _claimed_by() -> dict[str, Any]:
    return {"lease": LEASE.total_seconds(), "worker": f"{socket.gethostname()[:60]}:{os.getpid()}"}


def _claim(row: tuple[Any, ...]) -> Claim:
    # Django leaves JSON of raw statements as text.
    arguments = json.loads(row[6]) if isinstance(row[6], str) else row[6]
    job_id, tenant_id, kind, job_class, subject_id, group_id, _, attempt = row
    return Claim(job_id, tenant_id, kind, job_class, subject_id, group_id, arguments, attempt)
