"""What is known about a message when its route is decided. Pure: whoever decides gathers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

# How alike a message and the likeliest of some examples are, in percent.
Similarity = Callable[[str, Sequence[str]], int]
# How hard a message looks, 0 to 1.
Difficulty = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """One message as rules see it.

    `at` is the local time of the organisation, `budget_left` the percentage of the month's limit that may still be
    reserved (None without a limit). `key` stands for the conversation: shares and splits stick to it.
    """

    message: str
    key: str
    at: datetime
    language: str | None = None
    has_attachment: bool = False
    needs_tools: bool = False
    budget_left: int | None = None
