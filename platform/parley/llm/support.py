"""Decides whether a source says what a sentence of an answer says, by words, their order, figures and denials.

A small model cites nothing and invents freely; this is what stands between it and the reader.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parley.llm.requests import GroundingSource
from parley.llm.sentences import pieces_of
from parley.llm.words import DENIALS, STOP_WORDS, content_stems, stem, words

_ENOUGH_COVERED = 0.9
# Of the words between the first and the last one found; fewer, and the sentence was stitched together.
_ENOUGH_DENSE = 0.5
_ENOUGH_DENSE_ACROSS_TWO = 0.7
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*|`[^`]+`|https?://\S+")
_MARKER = re.compile(r"\s*\[\d{1,3}\]")


def without_markers(text: str) -> str:
    """The text without ` [n]`."""
    return _MARKER.sub("", text)


def figures_of(text: str) -> set[str]:
    """Numbers, commands and addresses of a text: what must not be wrong by one character."""
    return {_flat(figure) for figure in _FIGURE.findall(without_markers(text))}


def holds_figures(text: str, figures: set[str]) -> bool:
    """Whether every one of the figures stands in the text."""
    flat = _flat(text)
    return all(figure in flat for figure in figures)


def attribute(sentence: str, sources: Sequence[GroundingSource], *, question: str = "") -> int | None:
    """The number of the source that says what `sentence` says, or None when none does. Pure.

    A source says it when one of its sentences (or two neighbours) holds nine tenths of the meaningful words in the
    same order and close together, every number, command and address, and denies neither more nor less. A sentence
    that only repeats `question` says nothing, so no source supports it.
    """
    claim = _Claim(sentence)
    if not claim.says_more_than(question):
        return None
    best: tuple[float, int] | None = None
    for source in sources:
        covered = max((claim.covered_by(window) for window in _windows(source)), default=0.0)
        if covered >= _ENOUGH_COVERED and (best is None or covered > best[0]):
            best = (covered, source.number)
    return best[1] if best else None


@dataclass(frozen=True, slots=True)
class _Window:
    """One or two neighbouring pieces of a source; `context` are the stems of its title, headings and lead."""

    text: str
    tokens: tuple[str, ...]
    denials: tuple[int, ...]
    context: frozenset[str]
    density: float = _ENOUGH_DENSE


def _windows(source: GroundingSource) -> Iterator[_Window]:
    pieces = pieces_of(source)
    for index, piece in enumerate(pieces):
        context = frozenset(content_stems(" ".join((source.title, *piece.headings, piece.lead or ""))))
        yield _window(piece.text, context)
        follower = pieces[index + 1] if index + 1 < len(pieces) else None
        if follower is not None and follower.block == piece.block:
            yield _window(f"{piece.text} {follower.text}", context, density=_ENOUGH_DENSE_ACROSS_TWO)


def _window(text: str, context: frozenset[str], *, density: float = _ENOUGH_DENSE) -> _Window:
    tokens: list[str] = []
    denials: list[int] = []
    for word in words(text):
        if word in DENIALS:
            denials.append(len(tokens))
        elif word not in STOP_WORDS:
            tokens.append(stem(word))
    return _Window(text, tuple(tokens), tuple(denials), context, density)


class _Claim:
    """One sentence of an answer, ready to be compared."""

    def __init__(self, sentence: str) -> None:
        text = without_markers(sentence)
        self._own = _window(text, frozenset())
        self._figures = figures_of(text)

    def says_more_than(self, question: str) -> bool:
        """False for an echo of the question and for a sentence without any meaningful word."""
        asked = set(content_stems(question))
        return bool(set(self._own.tokens) - asked) or bool(self._figures - figures_of(question))

    def covered_by(self, window: _Window) -> float:
        """Share of the claim's words that the window holds in order (0 to 1); words only in its context count half."""
        wanted = self._own.tokens
        held = set(window.tokens)
        around = sum(1 for token in wanted if token not in held and token in window.context)
        most = sum(1 for token in wanted if token in held) + 0.5 * around
        if most < _ENOUGH_COVERED * len(wanted) or not holds_figures(window.text, self._figures):
            return 0.0
        matched = _common_positions(wanted, window.tokens)
        if not matched:
            return 0.0
        first, last = matched[0], matched[-1]
        is_denied = any(first < position <= last for position in window.denials)
        denies = bool(self._own.denials)
        is_before = any(position <= first for position in window.denials)
        if (is_denied and not denies) or (denies and not (is_denied or is_before)):
            return 0.0
        if len(matched) < window.density * (last - first + 1):
            return 0.0
        return (len(matched) + 0.5 * around) / len(wanted)


def _common_positions(wanted: Sequence[str], offered: Sequence[str]) -> list[int]:
    """Positions in `offered` of a longest common subsequence with `wanted`."""
    rows = [[0] * (len(offered) + 1) for _ in range(len(wanted) + 1)]
    for i in range(len(wanted) - 1, -1, -1):
        for j in range(len(offered) - 1, -1, -1):
            if wanted[i] == offered[j]:
                rows[i][j] = rows[i + 1][j + 1] + 1
            else:
                rows[i][j] = max(rows[i + 1][j], rows[i][j + 1])
    positions: list[int] = []
    i = j = 0
    while i < len(wanted) and j < len(offered):
        if wanted[i] == offered[j]:
            positions.append(j)
            i, j = i + 1, j + 1
        elif rows[i + 1][j] >= rows[i][j + 1]:
            i += 1
        else:
            j += 1
    return positions


def _flat(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d)", "", text.strip("`").rstrip(".,;:").lower())
