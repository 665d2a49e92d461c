"""Is the process alive, and can it reach what it needs."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from parley.errors import Unauthenticated
from parley.web.access import bearer_token, public


@public("says only that the process answers")
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process serves requests; asks nothing else."""
    return JsonResponse({"status": "ok"})


@public("says only which dependency answers")
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every dependency answers, else 503; each with its milliseconds."""
    checks = {name: _timed(check) for name, check in _CHECKS.items()}
    is_ready = all(check["status"] == "ok" for check in checks.values())
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": checks}, status=200 if is_ready else 503
    )


@public("guarded by a token of its own")
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics for whoever holds `PARLEY_METRICS_TOKEN`; without one set, nobody."""
    from hmac import compare_digest

    offered = bearer_token(request) or ""
    if not settings.PARLEY_METRICS_TOKEN or not compare_digest(offered, settings.PARLEY_METRICS_TOKEN):
        raise Unauthenticated("Send the metrics token (PARLEY_METRICS_TOKEN) as `Authorization: Bearer …`.")
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_valkey() -> None:
    cache.get("readyz")


_CHECKS: dict[str, Callable[[], None]] = {"database": _ask_database, "valkey": _ask_valkey}


def _timed(check: Callable[[], None]) -> dict[str, str | float]:
    started = time.perf_counter()
    try:
        check()
    except Exception:  # any failure of a dependency means the same here: not ready
        return {"status": "unavailable"}
    return {"status": "ok", "ms": round((time.perf_counter() - started) * 1000, 1)}
