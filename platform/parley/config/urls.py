"""Every address of the product."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from parley.config import environment as env
from parley.config.views import ApiDocsView, home
from parley.web.access import AccessRule
from parley.web.health import healthz, metrics, readyz

APPS = ("tenants", "gateway", "knowledge", "assistants", "conversations", "evaluations")


def _doors(prefix: str, module: str) -> list[URLPattern | URLResolver]:
    return [path(prefix, include(f"apps.{app}.{module}")) for app in APPS if _has_door(app, module)]


def _has_door(app: str, module: str) -> bool:
    return (env.ROOT / "apps" / app / (module.replace(".", "/") + ".py")).exists()


schema_view = SpectacularJSONAPIView.as_view()
schema_view.access_rule = AccessRule(public_because="describes the API, holds no data")  # type: ignore[attr-defined]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
    path("accounts/", include("allauth.urls")),
    path("api/v1/openapi.json", schema_view, name="openapi"),
    path("api/v1/docs/", ApiDocsView.as_view(), name="api-docs"),
    *_doors("api/v1/", "api.urls"),
    *_doors("", "public_urls"),
    *_doors("t/<slug:tenant_slug>/", "ui.urls"),
]

handler400 = "parley.web.problems.bad_request"
handler403 = "parley.web.problems.permission_denied"
handler404 = "parley.web.problems.page_not_found"
handler500 = "parley.web.problems.server_error"

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
