"""What a word that nobody wrote was meant to be."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST_CHARS = 4
# Below this many characters one slip is forgiven, from there on two.
_LONG_WORD_CHARS = 8
MAX_CORRECTIONS = 3


def may_be_misspelt(word: str) -> bool:
    """Whether it is worth looking for neighbours: short words and numbers have too many."""
    return len(word) >= _LEAST_CHARS and word.isalpha()


def slips_allowed(word: str) -> int:
    """How many slips of the pen are forgiven."""
    return 1 if len(word) < _LONG_WORD_CHARS else 2


def corrections(word: str, known: Iterable[tuple[str, int]]) -> list[str]:
    """The known words (with the number of passages that hold them) that the writer may have meant, best first.

    Fewest slips first, then the most frequent. At most `MAX_CORRECTIONS`, all of the same number of slips.
    """
    allowed = slips_allowed(word)
    near = [
        (distance, -frequency, other)
        for other, frequency in known
        if other != word and (distance := edit_distance(word, other, allowed)) <= allowed
    ]
    if not near:
        return []
    fewest = min(near)[0]
    return [other for distance, _, other in sorted(near) if distance == fewest][:MAX_CORRECTIONS]


def edit_distance(one: str, other: str, limit: int) -> int:
    """Letters to insert, drop, replace or swap with their neighbour; `limit` + 1 stands for anything above it.

    Optimal string alignment (the restricted Damerau-Levenshtein distance).
    """
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, against in enumerate(other, start=1):
            cost = min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)
