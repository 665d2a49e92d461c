"""Decides how much of each passage fits into a window, and which of its sentences. Pure."""

from collections.abc import Sequence

from parley.llm import GroundingSource, count_tokens
from parley.llm.sentences import Piece, pieces_of
from parley.llm.words import content_stems

_LEAST_SHARE = 64  # fewer tokens than this say nothing: better one passage less
_GAP = "[…]"


def share_budget(costs: Sequence[int], budget: int) -> list[int]:
    """How many tokens each passage may use, best passage first.

    Max-min fair: no passage gets more than it needs, and what short ones leave goes to the long ones. When a
    fair share would be too small to say anything, the last passages get none.
    """
    count = len(costs)
    while count and _fair_shares(costs[:count], budget)[1] < min(_LEAST_SHARE, max(costs[:count])):
        count -= 1
    shares, _ = _fair_shares(costs[:count], budget)
    return shares + [0] * (len(costs) - count)


def _fair_shares(costs: Sequence[int], budget: int) -> tuple[list[int], int]:
    """Shares, and the level that the longest passages are cut to."""
    shares = [0] * len(costs)
    left = max(0, budget)
    level = left
    for place, (cost, index) in enumerate(sorted((cost, index) for index, cost in enumerate(costs))):
        level = left // (len(costs) - place)
        shares[index] = min(cost, level)
        left -= shares[index]
    return shares, level


def shorten(text: str, question: str, budget: int) -> str:
    """The pieces of `text` that share most words with the question, in reading order; gaps are marked.

    Empty when not even one piece fits into `budget` tokens.
    """
    pieces = pieces_of(GroundingSource(number=1, title="", text=text))
    wanted = set(content_stems(question))
    ranked = sorted(pieces, key=lambda piece: (-_overlap(piece, wanted), piece.position))
    chosen: list[Piece] = []
    for piece in ranked:
        cost = count_tokens(piece.text) + 2
        if cost <= budget:
            budget -= cost
            chosen.append(piece)
    chosen.sort(key=lambda piece: piece.position)
    return _joined(chosen, last=len(pieces) - 1)


def _overlap(piece: Piece, wanted: set[str]) -> float:
    stems = set(content_stems(piece.text))
    context = set(content_stems(" ".join((*piece.headings, piece.lead or ""))))
    return len(stems & wanted) + len((context - stems) & wanted) / 2


def _joined(chosen: Sequence[Piece], *, last: int) -> str:
    parts: list[str] = []
    expected = 0
    for piece in chosen:
        if piece.position != expected:
            parts.append(_GAP)
        parts.append(piece.text)
        expected = piece.position + 1
    if chosen and expected <= last:
        parts.append(_GAP)
    return "\n".join(parts)
