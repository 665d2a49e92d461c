"""The passages that a sentence is held against, prepared once for all sentences of an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from parley.llm import GroundingSource
from parley.llm.groundedness.opposites import base_forms, denies, opposites_of
from parley.llm.sentences import pieces_of
from parley.llm.static_embedder import STATIC_DIMENSIONS, embed_statically
from parley.llm.words import STOP_WORDS, stem

Matrix = npt.NDArray[np.float32]

_WORD = re.compile(r"\$?\d+(?:[.,]\d+)*%?|[^\W\d_]+(?:['’\-][^\W_]+)*|[^\W_]+")
_SPELLED = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(number) for number, word in enumerate(_SPELLED)}
_CACHED_WORDS = 32_768


def words_of(text: str) -> list[str]:
    """The words and figures of a text as they are written; `-4.5%` and `e-mail` are one each."""
    return _WORD.findall(text)


def number_of(word: str) -> str | None:
    """A figure without its commas and signs, also when it is spelled; None for other words."""
    low = word.lower()
    if low in _NUMBER_WORDS:
        return _NUMBER_WORDS[low]
    return low.replace(",", "").strip("$%") if any(letter.isdigit() for letter in low) else None


@lru_cache(maxsize=_CACHED_WORDS)
def _vector(word: str) -> Matrix:
    return np.asarray(embed_statically([word])[0], dtype=np.float32)


def vectors_of(words: Sequence[str]) -> Matrix:
    """Unit vectors of words without their context, one row each: (words, 256)."""
    if not words:
        return np.zeros((0, STATIC_DIMENSIONS), dtype=np.float32)
    return np.stack([_vector(word) for word in words])


class Evidence:
    """Sentences of the passages with their words, vectors, figures and denials."""

    def __init__(self, sources: Sequence[GroundingSource]) -> None:
        self.sources = tuple(sources)
        sentences = [piece.text for source in sources for piece in pieces_of(source)]
        written = [words_of(sentence) for sentence in sentences]
        self.words = [word.lower() for words in written for word in words]
        self.stems = [stem(word) for word in self.words]
        # Where each sentence's words begin; empty sentences have none.
        lengths = [len(words) for words in written if words]
        self.starts = np.cumsum([0, *lengths[:-1]]) if lengths else np.zeros(0, dtype=np.int64)
        self.sentence_of = np.repeat(np.arange(len(lengths)), lengths)
        self.vectors = vectors_of(self.words)
        self.figures = {figure for word in self.words if (figure := number_of(word)) is not None}
        self.flat = re.sub(r"\W+", "", " ".join(self.words))
        self.forms = [base_forms(word) for word in self.words]
        self.known_forms = frozenset().union(*self.forms)
        self.opposites = {other for word in set(self.words) for other in opposites_of(word)}
        self.denials = [denies(word) for word in self.words]
        content = [known for known, word in zip(self.stems, self.words, strict=True) if word not in STOP_WORDS]
        self.pairs = set(pairwise(content))
        self.places: dict[str, list[int]] = {}
        for place, known in enumerate(self.stems):
            self.places.setdefault(known, []).append(place)
        self.is_empty = not self.words
