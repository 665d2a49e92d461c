"""JSON views of jobs: what waits, runs and failed, and what can be done about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.tenants.services import jobs
from parley.errors import Invalid
from parley.jobs import selectors
from parley.jobs.enums import JobState
from parley.jobs.models import Job
from parley.web.api import TenantAPIView, paginate

_STATE = OpenApiParameter("state", OpenApiTypes.STR, enum=JobState.values, description="Only jobs that stand there.")


class JobList(TenantAPIView):
    """Background work of this organisation, newest first."""

    access = {"GET": "jobs.manage"}

    @extend_schema(parameters=[_STATE], responses=dict)
    def get(self, request: Request) -> Response:
        state = request.query_params.get("state", "")
        if state and state not in JobState.values:
            sentence = f"A job is one of: {', '.join(JobState.values)}."
            raise Invalid(sentence, errors={"state": [sentence]})
        return paginate(request, selectors.list_jobs(state=state), job_body)


class JobDetail(TenantAPIView):
    """One job."""

    access = {"GET": "jobs.manage"}

    @extend_schema(responses=dict)
    def get(self, request: Request, job_id: UUID) -> Response:
        return Response(job_body(selectors.get_job(job_id)))


class JobReplay(TenantAPIView):
    """Runs a failed or cancelled job again."""

    access = {"POST": "jobs.manage"}

    @extend_schema(request=None, responses=dict)
    def post(self, request: Request, job_id: UUID) -> Response:
        return Response(job_body(jobs.replay_job(job_id=job_id)))


class JobCancel(TenantAPIView):
    """Ends a job that waits or runs; a running one stops at its next step."""

    access = {"POST": "jobs.manage"}

    @extend_schema(request=None, responses=dict)
    def post(self, request: Request, job_id: UUID) -> Response:
        return Response(job_body(jobs.cancel_job(job_id=job_id)))


def job_body(job: Job) -> dict[str, Any]:
    """A job as the API shows it; `seconds_left` is an estimate, null while it would be a guess."""
    left = selectors.seconds_left(job)
    return {
        "id": str(job.id),
        "kind": job.kind,
        "title": selectors.title_of(job.kind),
        "state": job.state,
        "subject_id": str(job.subject_id) if job.subject_id else None,
        "stage": job.stage,
        "done": job.done_units,
        "total": job.total_units,
        "seconds_left": None if left is None else round(left, 1),
        "tries": job.tries,
        "error": job.last_error,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
    }
