"""Audit actions in words."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def audit_words(action: str) -> str:
    """`api_key.created` becomes `API key created`."""
    noun, _, verb = action.partition(".")
    words = f"{noun} {verb}".replace("_", " ").strip().replace("api key", "API key")
    return words[:1].upper() + words[1:]
