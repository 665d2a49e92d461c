"""Every address of the product."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView

from parley.config.views import ApiDocsView, home
from parley.web.access import AccessRule
from parley.web.health import healthz, metrics, readyz

_JSON = ("tenants", "gateway", "knowledge", "assistants", "conversations", "evaluations")
_PUBLIC = ("tenants", "conversations")
_PAGES = ("tenants", "gateway", "knowledge", "assistants", "conversations", "evaluations")

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
    *(path("api/v1/", include(f"apps.{app}.api.urls")) for app in _JSON),
    *(path("", include(f"apps.{app}.public_urls")) for app in _PUBLIC),
    *(path("t/<slug:tenant_slug>/", include(f"apps.{app}.ui.urls")) for app in _PAGES),
]

handler400 = "parley.web.problems.bad_request"
handler403 = "parley.web.problems.permission_denied"
handler404 = "parley.web.problems.page_not_found"
handler500 = "parley.web.problems.server_error"

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]
