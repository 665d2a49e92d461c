"""Every address of the product, read from the URL resolver, so that a new one cannot be missed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from parley.web.access import AccessRule

# Pages of the sign-in package: they declare nothing, and are reviewed here instead.
THIRD_PARTY = re.compile(r"^accounts/")
_PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """An address pattern, its view and the view's declared access."""

    pattern: str
    name: str
    view: Callable[..., Any]
    access: AccessRule | None

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """`(converter, name)` pairs."""
        return [(match["converter"] or "str", match["name"]) for match in _PARAMETER.finditer(self.pattern)]

    def path(self, **values: Any) -> str:
        """The address with parameters filled in."""
        return "/" + _PARAMETER.sub(lambda match: str(values[match["name"]]), self.pattern)


def all_routes() -> list[Route]:
    """Our own routes, in resolver order."""
    return [route for route in _walk(get_resolver().url_patterns, "", "") if not THIRD_PARTY.match(route.pattern)]


def _walk(patterns: list[Any], prefix: str, namespace: str) -> Iterator[Route]:
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, text, inner)
        elif isinstance(pattern, URLPattern):
            rule = getattr(pattern.callback, "access_rule", None)
            yield Route(text, f"{namespace}{pattern.name}", pattern.callback, rule)
