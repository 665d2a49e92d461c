"""Short messages at the edge of the page for answers to htmx; full pages use Django's messages instead."""

from __future__ import annotations

from typing import Literal, TypeVar

from django.http import HttpResponse
from django_htmx.http import trigger_client_event

ResponseT = TypeVar("ResponseT", bound=HttpResponse)


def add_toast(
    response: ResponseT,
    text: str,
    *,
    level: Literal["info", "success", "warning", "error"] = "info",
    href: str = "",
    link: str = "Open",
) -> ResponseT:
    """Make the browser show `text` when this answer arrives; `href`, a path of ours, adds a link."""
    trigger_client_event(response, "toast", {"text": text, "level": level, "href": href, "link": link})
    return response
