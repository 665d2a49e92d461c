"""Answers by quoting: picks the few pieces that answer, brings what they need to be understood, and cites each."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from parley.llm.relevance import ScoredPiece, Similarity, best_sentences
from parley.llm.requests import Grounding, GroundingSource
from parley.llm.sentences import Piece, pieces_of
from parley.llm.words import content_stems

# Below this closeness the sources are about something else: questions about other subjects stay under 0.3, answers
# in other words than the question's begin at 0.53. A gap inside one subject does not exist (of questions whose
# section was taken away 4 % stay under 0.66), so a higher threshold only refuses what could be answered.
CLOSE_ENOUGH = 0.5
CLOSE_ENOUGH_BY_WORDS = 0.3
# A further sentence is quoted when it is nearly as good as the best one.
_NEARLY = 0.72
_MOST_SENTENCES = 3
_MOST_ITEMS = 12
_MOST_CHARACTERS = 700
_SAME_WORDS = 0.7
_WIDEST_GAP = 2
_LEANS_BACK = re.compile(
    r"^(?:this|that|these|those|it|they|he|she|then|such|otherwise|however|therefore|instead|afterwards|both)\b",
    re.IGNORECASE,
)


def quote_answer(grounding: Grounding, *, similarity: Similarity | None = None, or_nothing: bool = False) -> list[str]:
    """The answer as pieces of text to stream: quoted sentences, each with its ` [n]`, or only the refusal.

    Pure but for `similarity`. Joined, the pieces are the whole answer. `or_nothing` gives an empty list instead of
    the refusal.
    """
    chosen = choose_pieces(grounding.question, grounding.sources, similarity=similarity)
    if not chosen:
        return [] if or_nothing else [grounding.refusal]
    return list(_render(chosen))


def choose_pieces(
    question: str, sources: Sequence[GroundingSource], *, similarity: Similarity | None = None
) -> list[Piece]:
    """The pieces that answer, in the order to be read; none when nothing is close enough."""
    ranked = best_sentences(question, sources, similarity=similarity)
    if not ranked or not is_close_enough(ranked, by_words_alone=similarity is None):
        return []
    chosen = _pick(ranked)
    by_source = {source.number: pieces_of(source) for source in sources}
    complete = _complete(chosen, by_source)
    order = {piece.source: rank for rank, piece in reversed(list(enumerate(chosen)))}
    return sorted(complete, key=lambda piece: (order[piece.source], piece.position))


def is_close_enough(ranked: Sequence[ScoredPiece], *, by_words_alone: bool = False) -> bool:
    """Whether the sources are about the question at all; decides between an answer and the refusal."""
    threshold = CLOSE_ENOUGH_BY_WORDS if by_words_alone else CLOSE_ENOUGH
    return any(entry.closeness >= threshold for entry in ranked[:_MOST_SENTENCES])


def _pick(ranked: Sequence[ScoredPiece]) -> list[Piece]:
    best = ranked[0]
    chosen = [best.piece]
    size = len(best.piece.text)
    for entry in ranked[1:12]:
        if len(chosen) == _MOST_SENTENCES or entry.score < _NEARLY * best.score:
            break
        too_long = size + len(entry.piece.text) > _MOST_CHARACTERS
        if too_long or any(_says_the_same(entry.piece, other) for other in chosen):
            continue
        chosen.append(entry.piece)
        size += len(entry.piece.text)
    return chosen


def _says_the_same(one: Piece, other: Piece) -> bool:
    first, second = set(content_stems(one.text)), set(content_stems(other.text))
    return len(first & second) >= _SAME_WORDS * max(1, min(len(first), len(second)))


def _complete(chosen: Sequence[Piece], by_source: dict[int, list[Piece]]) -> set[Piece]:
    """Add what they lean on: the sentence before a "This …", the list after a colon, code after its words."""
    complete = set(chosen)
    for piece in chosen:
        pieces = by_source[piece.source]
        if piece.kind == "sentence" and _LEANS_BACK.match(piece.text):
            complete |= {other for other in pieces[: piece.position][-1:] if other.block == piece.block}
        if piece.kind == "code":
            complete |= {other for other in pieces[: piece.position][-1:] if other.text == piece.lead}
        complete |= set(_introduced_by(piece, pieces))
    return complete | set(_between(chosen, by_source))


def _between(chosen: Sequence[Piece], by_source: dict[int, list[Piece]]) -> Iterator[Piece]:
    """What stands between two chosen sentences of one paragraph: reads better with it, and often holds the fact."""
    in_order = sorted(chosen, key=lambda piece: (piece.source, piece.position))
    for one, other in pairwise(in_order):
        if one.source == other.source and one.block == other.block and one.kind == other.kind == "sentence":
            gap = by_source[one.source][one.position + 1 : other.position]
            if len(gap) <= _WIDEST_GAP:
                yield from gap


def _introduced_by(piece: Piece, pieces: Sequence[Piece]) -> Iterator[Piece]:
    followers = pieces[piece.position + 1 : piece.position + 1 + _MOST_ITEMS]
    for follower in followers:
        is_list = follower.kind == "item" and piece.text.endswith(":") and follower.lead == piece.text
        is_code = follower.kind == "code" and follower.lead == piece.text and piece.text.endswith((":", "."))
        if not (is_list or is_code):
            return
        yield follower


def _render(pieces: Sequence[Piece]) -> Iterator[str]:
    before: Piece | None = None
    for _, group in groupby(pieces, key=lambda piece: (piece.source, piece.block, piece.kind)):
        for piece in group:
            yield _joint(before, piece) + _cited(piece)
            before = piece


def _joint(before: Piece | None, piece: Piece) -> str:
    if before is None:
        return ""
    if piece.kind == "item" and before.kind == "item":
        return "\n"
    return " " if piece.kind == before.kind == "sentence" else "\n\n"


def _cited(piece: Piece) -> str:
    if piece.kind == "code":
        return f"{piece.text}\n\n[{piece.source}]" if piece.lead is None else piece.text
    text = piece.text.strip("| ").replace(" | ", ", ") if piece.kind == "row" else piece.text
    return f"{'- ' if piece.kind == 'item' else ''}{text} [{piece.source}]"
