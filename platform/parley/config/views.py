"""Pages that belong to no app: the landing page and the API's description."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.views import SpectacularSwaggerSplitView

from parley.web.access import AccessRule, public


@public("explains the product and leads to sign-in")
def home(request: HttpRequest) -> HttpResponse:
    """`/`: what this is, and the way in."""
    return render(request, "home.html", {"is_demo": settings.PARLEY_DEMO})


class ApiDocsView(SpectacularSwaggerSplitView):
    """Swagger UI from the installed package; its script is a request of its own, as the policy demands."""

    url_name = "openapi"
    template_name = "api_docs.html"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view: Any = super().as_view(**initkwargs)
        view.access_rule = AccessRule(public_because="describes the API, holds no data")
        return view
