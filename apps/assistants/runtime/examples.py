"""Chooses few-shot examples: those whose questions are most like the one asked, within a budget of tokens. Pure.

Likeness is the cosine of rough vectors (`parley.llm.embed_statically`, microseconds a text) or the share of common
words, whichever is greater: words alone help where the vectors know none of them, as in many languages.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from apps.assistants.contracts import FewShot
from parley.llm import count_tokens, embed_statically

MOST_CHOSEN = 4
# Below this an example has nothing to do with the question, and shows the model only a wrong way.
LEAST_LIKENESS = 0.15
_FRAME_TOKENS = 25  # of the tags around one example
_WORD = re.compile(r"\w+")

Vector = tuple[float, ...]


def choose(examples: Sequence[FewShot], question: str, *, budget: int) -> tuple[FewShot, ...]:
    """The examples most like `question` that fit `budget` tokens together, the most alike last."""
    if not examples or budget <= 0:
        return ()
    likenesses = likeness(tuple(example.question for example in examples), question)
    ranked = sorted(range(len(examples)), key=lambda place: (-likenesses[place], place))
    chosen: list[int] = []
    for place in ranked:
        if likenesses[place] < LEAST_LIKENESS or len(chosen) == MOST_CHOSEN:
            break
        cost = cost_of(examples[place])
        if cost <= budget:
            budget -= cost
            chosen.append(place)
    return tuple(examples[place] for place in reversed(chosen))


def cost_of(example: FewShot) -> int:
    """Tokens of one example with its frame, estimated."""
    return count_tokens(example.question) + count_tokens(example.answer) + _FRAME_TOKENS


def likeness(questions: tuple[str, ...], question: str) -> list[float]:
    """How like each of `questions` is to `question`, in [0, 1]."""
    asked, words = _vectors((question,))[0], _words(question)
    return [
        max(sum(a * b for a, b in zip(asked, vector, strict=True)), _common(words, _words(text)))
        for text, vector in zip(questions, _vectors(questions), strict=True)
    ]


# Examples stay the same for as long as their version does.
@lru_cache(maxsize=64)
def _vectors(texts: tuple[str, ...]) -> tuple[Vector, ...]:
    return tuple(map(tuple, embed_statically(texts)))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _common(one: frozenset[str], other: frozenset[str]) -> float:
    """The Jaccard index: |A ∩ B| / |A ∪ B|."""
    return len(one & other) / len(one | other) if one and other else 0.0
