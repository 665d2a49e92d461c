"""The signed-in person as this app's own row."""

from __future__ import annotations

from django.http import HttpRequest

from apps.tenants.models import User


def reader(request: HttpRequest) -> User:
    """Who reads the page. Only for views that admit signed-in people alone."""
    assert isinstance(request.user, User)
    return request.user
