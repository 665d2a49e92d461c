"""What the shell around every page needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from parley.web.access import access_resolver


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `tenant`, `actor`, `tenants` (for the switcher, lazily) and `is_demo`."""
    user = getattr(request, "user", None)

    def tenants() -> list[Any]:
        return access_resolver().list_tenants_of_user(user)

    return {
        "tenant": getattr(request, "tenant", None),
        "actor": getattr(request, "actor", None),
        "tenants": tenants,
        "is_demo": settings.PARLEY_DEMO,
    }
