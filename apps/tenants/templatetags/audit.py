"""Audit actions in words."""

from __future__ import annotations

from django import template

register = template.Library()

# Where the word in the code is not the word on the screen.
_NOUNS = {"tenant": "organisation", "api_key": "API key"}


@register.filter
def audit_words(action: str) -> str:
    """`api_key.created` becomes `API key created`."""
    noun, _, verb = action.partition(".")
    words = f"{_NOUNS.get(noun, noun)} {verb}".replace("_", " ").strip()
    return words[:1].upper() + words[1:]
