"""Scores how well each piece of the sources answers a question: words, meaning, and what kind of question it is."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from parley.llm.requests import GroundingSource
from parley.llm.sentences import Piece, pieces_of
from parley.llm.words import content_stems

# Closeness in meaning of a question to each text, cosine in [-1, 1]; None when no embedder is at hand.
Similarity = Callable[[str, Sequence[str]], list[float] | None]

# Found by random search over 135 questions of COVID-QA and 20 about Parley's guide (share of questions whose first
# three pieces hold the answer: 0.72 and 0.80), then rounded; each is flat around its value.
_WORDS = 0.6
_CONTEXT_WORDS = 0.3
_WORD_PAIRS = 0.3
_MEANING = 1.2
_CARRIED_ON = 0.08
_RANK = 0.15
_NUMBER_CUE = 0.2
_INSTRUCTION_CUE = 0.12
_REASON_CUE = 0.1
_PLACE_CUE = 0.08
_COMPANY = 0.3
# Without an embedder the words must carry its weight, or one threshold would not fit both.
_WORDS_ALONE = 1.4

# Only the most promising pieces are embedded: at 7 ms each, this bounds the wait before the first word.
MAX_EMBEDDED_PIECES = 20
_MAX_EMBEDDED_CHARACTERS = 400

_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|big|large|long|old|often|far|fast|high|soon|small)\b|^\W*when\b"
    r"|\b(?:what|which) (?:time|year|date|day|port|size|percentage|number|limit|version|age)\b",
    re.IGNORECASE,
)
_ASKS_INSTRUCTION = re.compile(
    r"\bhow (?:do|can|could|should|would|to)\b|\bwhat (?:do|should|must|can) (?:i|we|you)\b|\bwhat to\b",
    re.IGNORECASE,
)
_ASKS_REASON = re.compile(r"\bwhy\b|\breason\b|\bcauses?\b", re.IGNORECASE)
_ASKS_PLACE = re.compile(r"\bwhere\b", re.IGNORECASE)
_HAS_NUMBER = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|first|once|twice)\b")
_INSTRUCTS = re.compile(
    r"^(?:to|if you|when you|open|press|click|choose|run|set|add|use|send|select|install|type|copy|paste|go|enter"
    r"|create|upload|write|you can|replace|call|then)\b|`",
    re.IGNORECASE,
)
_REASONS = re.compile(
    r"\b(?:because|so that|since|due to|caused by|therefore|in order to|as a result|otherwise|means that)\b",
    re.IGNORECASE,
)
_PLACES = re.compile(
    r"/[\w.]+/|\.\w+/|\b(?:folder|file|page|tab|settings|menu|located|stored|kept|under)\b", re.IGNORECASE
)
_IS_ABOUT_THE_TEXT = re.compile(
    r"^(?:this|the following) (?:page|section|chapter|document|article|guide|part|paper)\b.{0,40}"
    r"\b(?:explains?|describes?|shows?|lists?|covers?|discusses?)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ScoredPiece:
    """A piece with how well it answers. `closeness` leaves out rank and cues: it says whether it is about it at all."""

    piece: Piece
    score: float
    closeness: float


@dataclass(frozen=True, slots=True)
class _Question:
    text: str
    stems: tuple[str, ...]
    weights: dict[str, float]
    pairs: frozenset[tuple[str, str]]

    @property
    def total(self) -> float:
        return sum(self.weights.values()) or 1.0


def best_sentences(
    question: str, sources: Sequence[GroundingSource], *, similarity: Similarity | None = None
) -> list[ScoredPiece]:
    """Every piece of the sources, best first. Pure; `similarity` adds meaning to words.

    Sources are expected best first, as search returns them; their order counts a little.
    """
    found = [piece for source in sources for piece in pieces_of(source)]
    # "This page explains how …" holds every word of the question and no answer.
    pieces = [piece for piece in found if not _IS_ABOUT_THE_TEXT.search(piece.text)] or found
    if not pieces:
        return []
    titles = {source.number: source.title for source in sources}
    ranks = {source.number: rank for rank, source in enumerate(sources, start=1)}
    contexts = [" ".join(dict.fromkeys([titles[piece.source], *piece.headings])).strip() for piece in pieces]
    stems = [content_stems(piece.text) for piece in pieces]
    asked = _read_question(question, stems)
    literal = [
        _literal(asked, stems[index], contexts[index], piece.lead, _stems_before(pieces, stems, index))
        for index, piece in enumerate(pieces)
    ]
    meaning = _meaning(asked, pieces, contexts, literal, ranks, similarity)
    scored = []
    for index, piece in enumerate(pieces):
        closeness = literal[index] * _WORDS_ALONE if meaning is None else literal[index] + _MEANING * meaning[index]
        score = closeness + _RANK / ranks[piece.source] + _cues(question, piece.text)
        scored.append(ScoredPiece(piece, score, closeness))
    return sorted(_with_company(scored), key=lambda entry: -entry.score)


def _with_company(scored: Sequence[ScoredPiece]) -> list[ScoredPiece]:
    """Raise what stands in the same paragraph as a good piece: answers often continue where the words are met."""
    best: dict[tuple[int, int], float] = {}
    for entry in scored:
        paragraph = (entry.piece.source, entry.piece.block)
        best[paragraph] = max(best.get(paragraph, entry.score), entry.score)
    return [
        replace(entry, score=entry.score + _COMPANY * best[entry.piece.source, entry.piece.block]) for entry in scored
    ]


def _read_question(question: str, stems: Sequence[Sequence[str]]) -> _Question:
    asked = tuple(dict.fromkeys(content_stems(question)))
    seen_in = Counter(word for piece in stems for word in set(piece))
    count = len(stems)
    weights = {word: math.log(1 + (count - seen_in[word] + 0.5) / (seen_in[word] + 0.5)) for word in asked}
    return _Question(question, asked, weights, frozenset(pairwise(asked)))


def _stems_before(pieces: Sequence[Piece], stems: Sequence[list[str]], index: int) -> list[str]:
    """The words of the sentence before, when this one carries on from it."""
    if index == 0:
        return []
    before, here = pieces[index - 1], pieces[index]
    return stems[index - 1] if (before.source, before.block) == (here.source, here.block) else []


def _literal(asked: _Question, stems: list[str], context: str, lead: str | None, before: list[str]) -> float:
    own = set(stems)
    around = set(content_stems(f"{context} {lead or ''}"))
    earlier = set(before)
    words = sum(weight for word, weight in asked.weights.items() if word in own)
    context_words = sum(weight for word, weight in asked.weights.items() if word in around and word not in own)
    carried = sum(weight for word, weight in asked.weights.items() if word in earlier and word not in own)
    pairs = len(asked.pairs & set(pairwise(stems))) / max(1, len(asked.pairs))
    weighted = _WORDS * words + _CONTEXT_WORDS * context_words + _CARRIED_ON * carried
    return weighted / asked.total + _WORD_PAIRS * pairs


def _meaning(
    asked: _Question,
    pieces: Sequence[Piece],
    contexts: Sequence[str],
    literal: Sequence[float],
    ranks: dict[int, int],
    similarity: Similarity | None,
) -> list[float] | None:
    if similarity is None:
        return None
    promising = sorted(
        range(len(pieces)), key=lambda index: -(literal[index] + 2 * _RANK / ranks[pieces[index].source])
    )[:MAX_EMBEDDED_PIECES]
    texts = [_in_context(contexts[index], pieces[index].text) for index in promising]
    found = similarity(asked.text, texts)
    if found is None:
        return None
    meaning = [0.0] * len(pieces)
    for index, value in zip(promising, found, strict=True):
        meaning[index] = value
    return meaning


def _in_context(context: str, text: str) -> str:
    return f"{context}. {text}"[:_MAX_EMBEDDED_CHARACTERS] if context else text[:_MAX_EMBEDDED_CHARACTERS]


def _cues(question: str, text: str) -> float:
    """What a piece gains for having the form of an answer to this kind of question."""
    gain = 0.0
    if _ASKS_NUMBER.search(question) and _HAS_NUMBER.search(text):
        gain += _NUMBER_CUE
    if _ASKS_INSTRUCTION.search(question) and _INSTRUCTS.search(text):
        gain += _INSTRUCTION_CUE
    if _ASKS_REASON.search(question) and _REASONS.search(text):
        gain += _REASON_CUE
    if _ASKS_PLACE.search(question) and _PLACES.search(text):
        gain += _PLACE_CUE
    return gain
