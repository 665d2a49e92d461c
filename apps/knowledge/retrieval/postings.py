"""How occurrences of words are packed, and what they are worth: three bytes for a chunk that holds a word.

Two bytes are the chunk's place in its block; one holds two logarithmic figures, how often the word stands there
and how long the chunk is. Ranking is done with the figures, so that its parameters may change without
rewriting anything.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

BLOCK_SIZE = 65_536
# Okapi BM25 (Robertson, Walker, Jones, Hancock-Beaulieu, Gatford, TREC-3, 1994) with its usual parameters.
_SATURATION = 1.2
_LENGTH_INFLUENCE = 0.75
# What stands in a title or a heading names the subject of the chunk.
HEADING_FREQUENCY = 2

_FREQUENCIES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 24, 30, 40, 60)
_LENGTHS = tuple(8 * 2 ** (step / 2) for step in range(16))
_LONGEST_SHOWN = 31

Weights = npt.NDArray[np.float32]


def bucket_of(word: str) -> int:
    """Words of one bucket begin with the same letter and are equally long (up to 31 letters)."""
    return (ord(word[0]) << 5) + min(len(word), _LONGEST_SHOWN)


def buckets_near(word: str, slips: int) -> list[int]:
    """Buckets of the words that differ from this one by a few letters, the first one not among them."""
    lengths = range(max(1, len(word) - slips), len(word) + slips + 1)
    return sorted({(ord(word[0]) << 5) + min(length, _LONGEST_SHOWN) for length in lengths})


def pack_weight(frequency: int, length: int) -> int:
    """One byte: the figures just below a word's frequency in a chunk and the chunk's number of words."""
    return (_level(_FREQUENCIES, frequency) << 4) | _level(_LENGTHS, length)


def _level(levels: Sequence[float], value: float) -> int:
    return max(0, bisect_right(levels, value) - 1)


def worth_of_weights(average_length: float) -> Weights:
    """What each of the 256 bytes adds to a chunk's score, before the word's rarity: between 0 and 2.2."""
    frequency = np.repeat(np.array(_FREQUENCIES, dtype=np.float32), 16)
    length = np.tile(np.array(_LENGTHS, dtype=np.float32), 16)
    relative = 1 - _LENGTH_INFLUENCE + _LENGTH_INFLUENCE * length / max(average_length, 1.0)
    worth = frequency * (_SATURATION + 1) / (frequency + _SATURATION * relative)
    return np.asarray(worth, dtype=np.float32)


def rarity(holding: int, total: int) -> float:
    """BM25's inverse document frequency, never below zero: how much it says that a chunk holds a word."""
    return math.log(1 + (max(total - holding, 0) + 0.5) / (holding + 0.5))


class PostingsDraft:
    """Collects the words of chunks of one block, chunk by chunk in order of their places."""

    def __init__(self) -> None:
        self.chunk_count = 0
        self.word_count = 0
        self._places: dict[str, list[int]] = {}
        self._weights: dict[str, bytearray] = {}

    def add(self, place: int, frequencies: Mapping[str, int], length: int) -> None:
        """One chunk: how often each word stands in it, and how many words it has."""
        self.chunk_count += 1
        self.word_count += length
        for word, frequency in frequencies.items():
            self._places.setdefault(word, []).append(place)
            self._weights.setdefault(word, bytearray()).append(pack_weight(frequency, length))

    def rows(self) -> list[tuple[int, str, int, bytes, bytes]]:
        """(bucket, word, chunk count, places, weights) of each word."""
        return [
            (bucket_of(word), word, len(places), np.array(places, "<u2").tobytes(), bytes(self._weights[word]))
            for word, places in self._places.items()
        ]


def read_places(places: bytes | memoryview) -> npt.NDArray[np.uint16]:
    """The places of a row."""
    return np.frombuffer(places, "<u2")


def read_weights(weights: bytes | memoryview) -> npt.NDArray[np.uint8]:
    """The weights of a row, one for each of its places."""
    return np.frombuffer(weights, np.uint8)
