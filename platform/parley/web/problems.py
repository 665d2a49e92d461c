"""Problems as `application/problem+json` (RFC 9457) or as a page; never a stack trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework import exceptions as drf
from rest_framework.response import Response

from parley.errors import Forbidden, Invalid, NotFound, Problem, TooLarge, TooMany, Unauthenticated
from parley.web.toast import add_toast

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
_API_PREFIXES = ("/api/", "/v1/")


def problem_body(problem: Problem) -> dict[str, Any]:
    """The members of a problem document."""
    return {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }


def problem_headers(problem: Problem) -> dict[str, str]:
    """Headers that belong to a status (`Retry-After`, `WWW-Authenticate`)."""
    headers = {}
    if "retry_after" in problem.extra:
        headers["Retry-After"] = str(max(1, round(float(problem.extra["retry_after"]))))
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Parley"'
    return headers


def problem_response(problem: Problem) -> HttpResponse:
    """A problem as JSON, outside Django REST Framework."""
    return JsonResponse(
        problem_body(problem),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=problem_headers(problem),
    )


def api_exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`: every failure is a problem document and undoes the request's writes."""
    problem = _as_problem(error)
    if problem is None:
        return None
    if transaction.get_connection().in_atomic_block:
        transaction.set_rollback(True)
    return Response(
        problem_body(problem),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=problem_headers(problem),
    )


def _as_problem(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if isinstance(error, Http404 | drf.NotFound):
        return NotFound("There is nothing here under this address.")
    if isinstance(error, PermissionDenied | drf.PermissionDenied):
        return Forbidden("This is not allowed.")
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        return Unauthenticated(str(error.detail))
    if isinstance(error, drf.Throttled):
        return TooMany("Too many requests. Try again later.", retry_after=getattr(error, "wait", None) or 1)
    if isinstance(error, RequestDataTooBig | TooManyFieldsSent):
        return TooLarge("The request is larger than this address accepts.")
    if isinstance(error, drf.ValidationError):
        errors = flatten_errors(error.detail)
        return Invalid("Some fields are missing or not valid.", errors=errors)
    if isinstance(error, drf.APIException):
        problem = Problem(_sentence(error.detail))
        problem.status = error.status_code
        problem.title = HTTPStatus(error.status_code).phrase
        return problem
    if isinstance(error, RecursionError):
        # The JSON reader's only refusal of a thousand brackets.
        return Invalid("The body is nested too deeply.")
    return None


def flatten_errors(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested error detail as `{"field.sub": [sentences]}`."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for field, value in detail.items():
            flat.update(flatten_errors(value, f"{prefix}.{field}" if prefix else str(field)))
        return flat
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        flat = {}
        for index, item in enumerate(detail):
            flat.update(flatten_errors(item, f"{prefix}.{index}" if prefix else str(index)))
        return flat
    sentences = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field_errors": [str(sentence) for sentence in sentences]} if sentences else {}


def _sentence(detail: Any) -> str:
    return " ".join(sentence for sentences in flatten_errors(detail).values() for sentence in sentences)


def _speaks_json(request: HttpRequest) -> bool:
    """Whether the caller is a program: an address of the API, or a page's script that asks for JSON."""
    return request.path.startswith(_API_PREFIXES) or request.headers.get("Accept", "").startswith("application/json")


class ProblemMiddleware:
    """Problems that reach the edge of a plain view become JSON for programs and a page for people."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponseBase | None:
        """No text of ours holds a NUL and PostgreSQL takes none: an address with one leads nowhere."""
        if "\0" not in request.path and "%00" not in request.META.get("QUERY_STRING", ""):
            return None
        problem = NotFound("There is nothing here under this address.")
        return problem_response(problem) if _speaks_json(request) else problem_page(request, problem)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Django calls this for an exception of the view."""
        if _speaks_json(request):
            problem = _as_problem(error)
            if problem is None:
                log.error("request.failed", path=request.path, exc_info=error)
                problem = Problem("Something went wrong on our side. The log has the details under the request id.")
                problem.status, problem.title = 500, "Internal error"
            return problem_response(problem)
        if isinstance(error, Problem):
            return problem_page(request, error)
        return None


def problem_page(request: HttpRequest, problem: Problem) -> HttpResponse:
    """A problem as a page; for htmx, which swaps no failures in, its sentence is a toast as well."""
    response = render(
        request, "errors/problem.html", {"problem": problem, "detail": problem.detail}, status=problem.status
    )
    for name, value in problem_headers(problem).items():
        response.headers[name] = value
    if request.headers.get("HX-Request") == "true":
        add_toast(response, problem.detail, level="error")
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's `CSRF_FAILURE_VIEW`. A program meets it where an address takes no such method."""
    if _speaks_json(request):
        return problem_response(Forbidden("This address takes no such request."))
    return render(request, "errors/403_csrf.html", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`: what Django refuses before a view runs, a request that is too large among it."""
    is_too_large = isinstance(exception, RequestDataTooBig | TooManyFieldsSent)
    if request.path.startswith(_API_PREFIXES):
        return problem_response(_as_problem(exception) or Problem("The request is malformed."))
    status = 413 if is_too_large else 400
    return render(request, f"errors/{status}.html", status=status)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`: JSON below the API's addresses, a page elsewhere."""
    if request.path.startswith(_API_PREFIXES):
        return problem_response(Forbidden("This is not allowed."))
    return render(request, "errors/403.html", status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`: JSON below the API's addresses, a page elsewhere."""
    if request.path.startswith(_API_PREFIXES):
        return problem_response(NotFound("There is nothing here under this address."))
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: needs no database and no session."""
    if request.path.startswith(_API_PREFIXES):
        problem = Problem("Something went wrong on our side. The log has the details under the request id.")
        problem.status, problem.title = 500, "Internal error"
        return problem_response(problem)
    return render(request, "errors/500.html", status=500)
