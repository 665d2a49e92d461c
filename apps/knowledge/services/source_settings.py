"""What people may say of a source, checked: sentences by field for what does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from apps.knowledge.crawl.addresses import MAX_ADDRESS, normalise
from apps.knowledge.crawl.patterns import BadPattern, Patterns
from apps.knowledge.services.external import Metadata, checked_access_tags, checked_metadata
from apps.knowledge.source_enums import SourceKind, SourceSchedule
from parley.egress.client import check_address
from parley.errors import Invalid, Problem

MAX_DEPTH = 20
MAX_PAGES = 10_000
MAX_DELAY_SECONDS = 60.0
_CHOICES = {"kind": SourceKind.values, "schedule": SourceSchedule.values}
_RANGES = {"max_depth": (0, MAX_DEPTH), "max_pages": (1, MAX_PAGES), "delay_seconds": (0, MAX_DELAY_SECONDS)}


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How far a source is followed and how often. `delay_seconds` is left between two requests.

    `include` and `exclude` are patterns as `crawl.patterns` reads them. `access_tags` are what its pages begin with.
    """

    kind: str = SourceKind.PAGE
    max_depth: int = 5
    max_pages: int = 500
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    obeys_robots: bool = True
    delay_seconds: float = 1.0
    schedule: str = SourceSchedule.NONE
    metadata: Metadata = field(default_factory=dict)
    access_tags: Sequence[str] = ()


def checked_source(address: str, settings: SourceSettings) -> dict[str, Any]:
    """The values of a source as they are stored. Raises `Invalid`."""
    values: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(SourceSettings)}
    errors = _objections_to_numbers(values)
    values["address"], objection = _checked_address(address)
    if objection:
        errors["address"] = [objection]
    for name in ("include", "exclude"):
        try:
            values[name] = list(Patterns.parse(values[name]).lines)
        except BadPattern as problem:
            errors[name] = [str(problem)]
    if errors:
        raise Invalid("The source was not saved.", errors=errors)
    values["metadata"] = dict(checked_metadata(settings.metadata) or {})
    values["access_tags"] = checked_access_tags(settings.access_tags) or []
    return values


def _objections_to_numbers(values: dict[str, Any]) -> dict[str, list[str]]:
    choices = {
        name: [f"Choose one of: {', '.join(allowed)}."]
        for name, allowed in _CHOICES.items()
        if values[name] not in allowed
    }
    return choices | {
        name: [f"Choose a number from {lowest} to {highest:,g}."]
        for name, (lowest, highest) in _RANGES.items()
        if not lowest <= values[name] <= highest
    }


def _checked_address(written: str) -> tuple[str, str]:
    """The normal form of an address and an objection, one of them empty. `https://` may be left out."""
    written = written.strip()
    if not written:
        return "", "Give the address of the page or site."
    if len(written) > MAX_ADDRESS:
        return "", f"The address may have {MAX_ADDRESS:,} characters at most."
    normal = normalise(written if "://" in written else f"https://{written}")
    if normal is None:
        return "", "This is not a valid address. It should look like https://www.example.com/page."
    try:
        check_address(normal)
    except Problem as problem:
        return "", problem.detail
    return normal, ""
