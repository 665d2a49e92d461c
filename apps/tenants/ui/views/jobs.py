"""Background work: how much of it, what failed and why, and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps.tenants.services import jobs
from parley.errors import Problem
from parley.jobs import selectors
from parley.jobs.enums import JobState
from parley.jobs.models import Job
from parley.web.access import TenantRequest, tenant_page

PER_PAGE = 50
# What needs somebody comes first.
SHOWN = (JobState.DEAD, JobState.RUNNING, JobState.QUEUED, JobState.PAUSED, JobState.CANCELLED, JobState.DONE)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job with the words for it."""

    job: Job
    title: str
    subject: str
    url: str
    share: float | None
    left: str


@tenant_page({"GET": "jobs.manage"})
def job_list(request: TenantRequest) -> HttpResponse:
    """Counts by state, and the jobs of one state: the failed ones unless another is asked for."""
    counts = selectors.count_by_state()
    asked = request.GET.get("state", "")
    state = JobState(asked) if asked in JobState.values else next((s for s in SHOWN if counts[s]), JobState.DEAD)
    page = Paginator(selectors.list_jobs(state=state), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "state": state,
        "states": [(shown, counts[shown]) for shown in SHOWN],
        "page": page,
        "rows": _rows(list(page.object_list), request.tenant.slug),
    }
    return render(request, "tenants/job_list.html", context)


@tenant_page({"POST": "jobs.manage"})
def job_replay(request: TenantRequest, job_id: UUID) -> HttpResponse:
    """Run one again."""
    try:
        jobs.replay_job(job_id=job_id)
    except Problem as problem:
        if problem.status == 404:
            raise
        messages.error(request, problem.detail)
    return redirect("tenants:job_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "jobs.manage"})
def job_cancel(request: TenantRequest, job_id: UUID) -> HttpResponse:
    """End one."""
    try:
        jobs.cancel_job(job_id=job_id)
    except Problem as problem:
        if problem.status == 404:
            raise
        messages.error(request, problem.detail)
    return redirect("tenants:job_list", tenant_slug=request.tenant.slug)


@tenant_page({"POST": "jobs.manage"})
def dead_replay(request: TenantRequest) -> HttpResponse:
    """Run all failed ones again."""
    replayed = jobs.replay_dead_jobs()
    messages.success(request, f"{replayed} job{'' if replayed == 1 else 's'} will run again.")
    return redirect("tenants:job_list", tenant_slug=request.tenant.slug)


def _rows(found: list[Job], slug: str) -> list[JobRow]:
    subjects = selectors.describe(found)
    rows = []
    for job in found:
        subject = subjects.get(job.id)
        url = ""
        if subject is not None and subject.url_name:
            url = reverse(subject.url_name, kwargs={"tenant_slug": slug, **subject.url_kwargs})
        share = job.done_units / job.total_units if job.total_units else None
        label = subject.label if subject is not None else ""
        rows.append(JobRow(job, selectors.title_of(job.kind), label, url, share, _left(job)))
    return rows


def _left(job: Job) -> str:
    return selectors.words_for_seconds(selectors.seconds_left(job))
