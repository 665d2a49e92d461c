"""Reads docker-compose.yml as Docker Compose does, as far as ours needs it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


class MissingVariable(Exception):
    """What Compose prints when `${NAME:?sentence}` is not set."""


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill in `${NAME}`, `${NAME:-default}` and `${NAME:?sentence}` everywhere. Raises `MissingVariable`."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    return _VARIABLE.sub(lambda match: _fill(match, variables), value) if isinstance(value, str) else value


def _fill(match: re.Match[str], variables: Mapping[str, str]) -> str:
    if match[0] == "$$":
        return "$"
    value = variables.get(match["name"])
    if value:
        return value
    if match["kind"] == "?":
        raise MissingVariable(f"{match['name']}: {match['rest']}")
    return match["rest"] or ""


def variables_of(value: Any) -> Iterator[tuple[str, str | None, str]]:
    """Every variable mentioned: name, `?` or `-` or None, and the sentence or default."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from variables_of(item)
    elif isinstance(value, str):
        for match in _VARIABLE.finditer(value):
            if match["name"]:
                yield match["name"], match["kind"], match["rest"] or ""


def load() -> dict[str, Any]:
    """The file with anchors and merges resolved, variables not yet filled in."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content
