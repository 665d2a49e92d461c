"""Checks one sentence against its passages: supported, unsupported or contradicted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from parley.llm.groundedness.evidence import Evidence, words_of
from parley.llm.groundedness.features import NAMES, Rows, word_features
from parley.llm.groundedness.head import Head, shipped_head, suspicion_of
from parley.llm.sentences import split_sentences
from parley.llm.support import attribute, without_markers
from parley.llm.words import content_stems

_AT: Final = {name: place for place, name in enumerate(NAMES)}
# Mean closeness of the claim's other words to the best sentence, above which it speaks of the same thing.
_SAME_SUBJECT: Final = 0.5
_NEARLY_THE_WORD: Final = 0.6
_MOSTLY_FOREIGN: Final = 0.5
_SAME_NAME: Final = 0.8
_SAME_SENTENCE: Final = 0.9


class Verdict(StrEnum):
    """What the passages say about a sentence."""

    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class CheckedSentence:
    """A sentence without its markers, the verdict, how sure the check is of "not supported", and the word it is about.

    `suspicion` is in [0, 1.3]: it orders sentences, it is no probability.
    """

    text: str
    verdict: Verdict
    suspicion: float
    word: str | None = None


def is_claim(sentence: str) -> bool:
    """Whether a sentence says something that can be true: not a question, a greeting or a bare heading."""
    text = without_markers(sentence).strip()
    return not text.endswith("?") and len(content_stems(text)) >= 2


def check(
    sentence: str, evidence: Evidence, *, head: Head | None = None, threshold: float | None = None
) -> CheckedSentence:
    """Hold `sentence` against the passages. Pure; about a millisecond.

    What a passage says nearly word for word is supported whatever the head thinks. `threshold` is the suspicion from
    which a sentence is not supported; by default the head's cautious one, because a false accusation costs trust.
    """
    head = head or shipped_head()
    text = without_markers(sentence).strip()
    if evidence.is_empty:
        return CheckedSentence(text, Verdict.UNSUPPORTED, 1.0)
    if attribute(text, evidence.sources) is not None:
        return CheckedSentence(text, Verdict.SUPPORTED, 0.0)
    words, rows = word_features(text, evidence)
    if not words:
        return CheckedSentence(text, Verdict.SUPPORTED, 0.0)
    suspicions = np.maximum(head.word_suspicions(rows), _plain_faults(text, words, rows))
    suspicion = suspicion_of(suspicions)
    worst = int(np.argmax(suspicions))
    if suspicion < (head.cautious if threshold is None else threshold):
        return CheckedSentence(text, Verdict.SUPPORTED, suspicion)
    verdict = Verdict.CONTRADICTED if _contradicts(rows[worst]) else Verdict.UNSUPPORTED
    return CheckedSentence(text, verdict, suspicion, words[worst])


def _plain_faults(text: str, words: list[str], rows: Rows) -> Rows:
    """Faults that need no learning, 1 at the word that has one: the training data has only subtle ones.

    A figure or a name that stands nowhere in the passages; in a sentence most of whose words are foreign to them,
    each foreign word; in a sentence made of their words alone, what is denied only here or only there.
    """
    is_figure = np.array([word[:1].isdigit() or word[-1:].isdigit() for word in words])
    closest, content = rows[:, _AT["closest"]], rows[:, _AT["content"]] > 0
    stem_found = rows[:, _AT["stem_found"]] > 0
    faults = is_figure & (rows[:, _AT["figure_missing"]] > 0)
    faults |= (rows[:, _AT["capital_missing"]] > 0) & (closest < _SAME_NAME) & ~_begins_sentence(text, len(words))
    foreign = content & ~stem_found & (closest <= _NEARLY_THE_WORD)
    if content.any() and foreign.sum() > _MOSTLY_FOREIGN * content.sum():
        faults |= foreign
    if content.any() and stem_found[content].all():
        fits = rows[:, _AT["sentence_fits"]] > _SAME_SENTENCE
        faults |= content & fits & (rows[:, _AT["denied_differently"]] > 0)
    return faults.astype(np.float64)


def _begins_sentence(text: str, count: int) -> npt.NDArray[np.bool_]:
    """Which of the words are capitals for their place alone."""
    begins = np.zeros(count, dtype=np.bool_)
    place = 0
    for sentence in split_sentences(text):
        begins[place : place + 1] = True
        place += len(words_of(sentence))
    return begins


def _contradicts(row: Rows) -> bool:
    """Whether the passages say something else of the same thing, not merely nothing."""
    says_other = any(row[_AT[name]] for name in ("opposite_near", "denied_differently", "new_denial", "figure_missing"))
    return bool(says_other and row[_AT["sentence_fits"]] >= _SAME_SUBJECT)
