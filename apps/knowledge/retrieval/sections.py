"""Parent and child: a small chunk is found, and the section around it is given to read.

Small chunks are found more exactly; what they say is often understood only with what stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Sibling:
    """A chunk of a section, in reading order with the others."""

    text: str
    tokens: int


def widen(found: Key, section: Mapping[Key, Sibling], *, budget: int) -> list[Key]:
    """The found chunk and its neighbours in the section, alternately after and before it, within `budget` tokens.

    In reading order, without a gap; always with the found chunk itself.
    """
    keys = list(section)
    first = last = keys.index(found)
    used = section[found].tokens
    may_grow = {1: True, -1: True}
    while any(may_grow.values()):
        for step in (1, -1):
            place = last + 1 if step == 1 else first - 1
            may_grow[step] = may_grow[step] and 0 <= place < len(keys) and used + section[keys[place]].tokens <= budget
            if may_grow[step]:
                used += section[keys[place]].tokens
                first, last = min(first, place), max(last, place)
    return keys[first : last + 1]


def give_sections(
    ranked: Sequence[Key], section_of: Callable[[Key], Mapping[Key, Sibling]], *, budget: int
) -> dict[Key, str]:
    """The text to read for each found chunk, best first; one that stands in a better one's text is left out."""
    given: dict[Key, str] = {}
    told: set[Key] = set()
    for key in ranked:
        if key in told:
            continue
        section = section_of(key)
        members = widen(key, section, budget=budget) if key in section else [key]
        fresh = [member for member in members if member not in told or member == key]
        told.update(fresh)
        given[key] = "\n\n".join(section[member].text for member in fresh if member in section)
    return given
