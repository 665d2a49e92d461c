"""As whom a search may ask, checked: for whoever keeps it, and for whoever tries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.knowledge.contracts import MAX_ASKED_TAGS, Audience
from apps.knowledge.retrieval.metadata_filter import parse_filter
from apps.knowledge.services.external import checked_access_tags


def checked_audience(
    access_tags: Sequence[str] = (), metadata_filter: Mapping[str, Any] | None = None, *, filter_field: str = "filter"
) -> Audience:
    """An audience with tags as they are compared. Raises `Invalid` below `access_tags` or the `filter_field`."""
    tags = checked_access_tags(access_tags, most=MAX_ASKED_TAGS) or []
    is_narrowed = parse_filter(metadata_filter, field=filter_field) is not None
    return Audience(tuple(tags), metadata_filter if is_narrowed else None)
