"""Problems in OpenAI's shape, so that its clients raise their own classes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from parley.errors import NotFound, Problem, TooLarge, TooMany, Unavailable
from parley.web.problems import problem_headers

log = structlog.get_logger(__name__)

_TYPES = {
    401: "invalid_request_error",
    402: "insufficient_quota",
    403: "invalid_request_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_CODES = {401: "invalid_api_key", 402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}


class Refused(Problem):
    """A model's provider declined by its content rules."""

    status = 400
    title = "Declined by content rules"


def failure_of(frame: dict[str, Any]) -> Problem:
    """Why an answer failed, as the class that OpenAI would have raised. Takes a `generation.failed` frame."""
    detail, calls = str(frame["detail"]), frame["message"]["usage"]["failed_calls"]
    kind = next((call["kind"] for call in calls if call["sentence"] == detail), None)
    if kind == "rate_limited":
        return TooMany(detail)
    return Refused(detail) if kind == "refused" else Unavailable(detail)


def error_of(problem: Problem) -> dict[str, Any]:
    """The error document of a problem that ends a stream."""
    return error_body(problem.status, problem.detail, code=_code_of(problem))


def _code_of(problem: Problem) -> str | None:
    return "content_policy_violation" if isinstance(problem, Refused) else None


def error_body(status: int, detail: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error document."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": detail, "type": kind, "param": param, "code": code or _CODES.get(status)}}


def error_response(problem: Problem) -> JsonResponse:
    """A problem as OpenAI's clients expect it."""
    fields = problem.extra.get("errors") or {}
    param = next(iter(fields), None)
    sentences = dict.fromkeys([problem.detail, *(fields[param][:1] if param else [])])
    detail = " ".join(sentences)
    return JsonResponse(
        error_body(problem.status, detail, param=param, code=_code_of(problem)),
        status=problem.status,
        headers=problem_headers(problem),
    )


def with_openai_errors(
    view: Callable[..., Coroutine[Any, Any, HttpResponseBase]],
) -> Callable[..., Coroutine[Any, Any, HttpResponseBase]]:
    """Every failure of the view in OpenAI's shape; never a stack trace."""

    @functools.wraps(view)
    async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return await view(request, *args, **kwargs)
        except Problem as problem:
            return error_response(problem)
        except RequestDataTooBig:
            return error_response(TooLarge("The request is larger than this address accepts."))
        except Exception:
            log.exception("openai.failed", path=request.path)
            return JsonResponse(error_body(500, "Something went wrong on our side. Try again."), status=500)

    return guarded


def unknown_model(name: str) -> NotFound:
    """The sentence for a model that is no assistant."""
    return NotFound(f"The model {name!r} does not exist: use the slug of a published assistant of your organisation.")
