"""Include and exclude patterns that people write, matched under a time limit. Pure.

A line is a glob (`/docs/*`, `*.pdf`, `https://example.com/help/*`) or, after `re:`, a regular expression that may
match anywhere in the address. A glob without a star at its end covers the folder of that name too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import regex

from apps.knowledge.crawl.addresses import path_of

MAX_PATTERNS = 50
MAX_PATTERN_LENGTH = 300
_SECONDS = 0.1
_PROBE = "https://www.example.com/" + "aaaa/bbbb-1111/" * 80


class BadPattern(ValueError):
    """A pattern that cannot be used; the text is a sentence for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Compiled patterns; matches when any of them does."""

    lines: tuple[str, ...]
    _compiled: tuple[Any, ...]

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Patterns:
        """Compile and try out every line; empty ones are left out. Raises `BadPattern`."""
        kept = tuple(line.strip() for line in lines if line.strip())
        if len(kept) > MAX_PATTERNS:
            raise BadPattern(f"Give {MAX_PATTERNS} patterns at most.")
        found = cls(kept, tuple(_compile(line) for line in kept))
        found.matches(_PROBE)
        return found

    def __bool__(self) -> bool:
        return bool(self.lines)

    def matches(self, address: str) -> bool:
        """Whether any pattern covers an address in its normal form. Raises `BadPattern` for one that takes too long."""
        path = path_of(address)
        for line, pattern in zip(self.lines, self._compiled, strict=True):
            try:
                if line.startswith("re:"):
                    is_match = pattern.search(address, timeout=_SECONDS)
                else:
                    is_match = pattern.match(address if "://" in line else path, timeout=_SECONDS)
            except TimeoutError:
                raise BadPattern(f"The pattern “{line}” takes too long to match. Write it more simply.") from None
            if is_match:
                return True
        return False


def _compile(line: str) -> Any:
    if len(line) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"A pattern may have {MAX_PATTERN_LENGTH} characters at most.")
    if not line.startswith("re:"):
        return regex.compile(_glob(line))
    try:
        return regex.compile(line.removeprefix("re:"))
    except regex.error as error:
        raise BadPattern(f"The pattern “{line}” is not a regular expression: {error}.") from None


def _glob(line: str) -> str:
    """A regular expression from the beginning; open-ended only at a border between folders or before the query."""
    start = "" if "://" in line or line.startswith(("/", "*")) else ".*/"
    body = ".*".join(regex.escape(part) for part in regex.split(r"\*+", line.rstrip("/")))
    end = "" if line.endswith("*") else r"(?:[/?].*)?$"
    return start + body + end
