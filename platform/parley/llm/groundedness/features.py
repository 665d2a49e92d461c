"""What speaks for and against each word of a claim, given the passages."""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np
import numpy.typing as npt

from parley.llm.groundedness.evidence import Evidence, number_of, vectors_of, words_of
from parley.llm.groundedness.opposites import ABSOLUTES, base_forms, denies, opposites_of
from parley.llm.words import STOP_WORDS, stem

Rows = npt.NDArray[np.float64]

_AROUND: Final = 5
_BEFORE: Final = 4
_BEST_SENTENCES: Final = 3
_CLOSE, _DISTANT = 0.6, 0.35

NAMES: Final = (
    *("stem_found", "form_found", "closest", "closest_in_sentence", "closest_in_sentences", "times_found"),
    *("opposite_found", "opposite_near", "figure", "figure_found", "figure_missing", "capital", "capital_missing"),
    *("length", "denial", "absolute", "denied_here", "denied_there", "denied_differently", "content", "pairs_found"),
    *("inside_a_word", "denial_near", "neighbours_close", "closer_than_neighbours", "sentence_fits"),
    *("new_denial", "new_absolute", "new_capital", "new_opposite", "new_closest", "new_content", "new_opposite_near"),
    *("new_closer", "new_fits", "new_close", "new_distant", "found_pairs", "new_length"),
)


def word_features(claim: str, evidence: Evidence) -> tuple[list[str], Rows]:
    """The claim's words, and one row of numbers per word in the order of `NAMES`: (words, len(NAMES))."""
    written = words_of(claim)
    if not written or evidence.is_empty:
        return written, np.zeros((len(written), len(NAMES)))
    low = [word.lower() for word in written]
    stems = [stem(word) for word in low]
    closeness = vectors_of(low) @ evidence.vectors.T
    by_sentence = np.maximum.reduceat(closeness, evidence.starts, axis=1)
    closest = closeness.max(axis=1)
    matters = [word not in STOP_WORDS or denies(word) or word in ABSOLUTES for word in low]
    rows = []
    for index, word in enumerate(low):
        around = [n for n in range(max(0, index - _AROUND), min(len(low), index + _AROUND + 1)) if n != index]
        neighbours = [n for n in around if matters[n]] or [index]
        fits = by_sentence[neighbours].mean(axis=0)
        best = np.argsort(-fits)[:_BEST_SENTENCES]
        places = evidence.places.get(stems[index], [])
        place = places[0] if places else int(closeness[index].argmax())
        before = low[max(0, index - _BEFORE) : index]
        denied_here = any(denies(other) for other in before)
        denied_there = any(evidence.denials[max(0, place - _BEFORE) : place])
        figure = number_of(word)
        found = word in evidence.places or bool(places)
        neighbours_close = float(closest[neighbours].mean())
        opposite_found = bool(base_forms(word) & evidence.opposites)
        opposite_near = _is_opposite_near(word, evidence, best)
        capital = index > 0 and written[index][0].isupper()
        pairs = _pairs(index, stems, matters, evidence)
        new = not found
        close = float(closest[index])
        content = matters[index]
        rows.append(
            [
                bool(places),
                found,
                close,
                float(by_sentence[index, best[0]]),
                float(by_sentence[index, best].max()),
                math.log1p(len(places)),
                opposite_found,
                opposite_near,
                figure is not None,
                figure is not None and figure in evidence.figures,
                figure is not None and figure not in evidence.figures,
                capital,
                capital and new,
                len(word),
                denies(word),
                word in ABSOLUTES,
                denied_here,
                denied_there,
                denied_here != denied_there,
                content,
                pairs,
                re.sub(r"\W+", "", word) in evidence.flat,
                any(denies(low[n]) for n in range(max(0, index - 3), min(len(low), index + 4)) if n != index),
                neighbours_close,
                close - neighbours_close,
                float(fits[best[0]]),
                new and denies(word),
                new and word in ABSOLUTES,
                new and capital,
                new and opposite_found,
                new * close,
                new and content,
                new and opposite_near,
                new * (close - neighbours_close),
                new * float(fits[best[0]]),
                new and content and close > _CLOSE,
                new and content and close < _DISTANT,
                found * pairs,
                new * len(word),
            ]
        )
    return written, np.asarray(rows, dtype=np.float64)


def _is_opposite_near(word: str, evidence: Evidence, sentences: npt.NDArray[np.int64]) -> bool:
    others = opposites_of(word)
    if not others & evidence.known_forms:
        return False
    inside = np.flatnonzero(np.isin(evidence.sentence_of, sentences))
    return any(evidence.forms[place] & others for place in inside)


def _pairs(index: int, stems: list[str], matters: list[bool], evidence: Evidence) -> int:
    """How many of the word's two neighbouring content words stand beside it in the passages too."""
    before = next((n for n in range(index - 1, -1, -1) if matters[n]), None)
    after = next((n for n in range(index + 1, len(stems)) if matters[n]), None)
    found = 0
    if before is not None:
        found += (stems[before], stems[index]) in evidence.pairs
    if after is not None:
        found += (stems[index], stems[after]) in evidence.pairs
    return found
