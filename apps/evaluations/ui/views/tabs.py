"""The four pages that the app consists of, for its second navigation."""

from __future__ import annotations

from typing import Any, Literal

from django.urls import reverse

from parley.web.access import TenantRequest

Tab = Literal["experiments", "playground", "datasets", "evaluators"]
_TABS: tuple[tuple[Tab, str, str], ...] = (
    ("experiments", "Experiments", "evaluations:experiment_list"),
    ("playground", "Playground", "evaluations:playground"),
    ("datasets", "Data sets", "evaluations:dataset_list"),
    ("evaluators", "Evaluators", "evaluations:evaluator_list"),
)


def tabs(request: TenantRequest, current: Tab) -> list[dict[str, Any]]:
    """Items for the `tabs` component."""
    slug = request.tenant.slug
    return [
        {
            "label": label,
            "href": reverse(url_name, kwargs={"tenant_slug": slug}),
            "is_current": name == current,
        }
        for name, label, url_name in _TABS
    ]
