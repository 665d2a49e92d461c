"""Cuts a streaming answer into sentences and holds each against the passages it cites. Pure."""

import re
from collections.abc import Sequence

from apps.assistants.contracts import SentenceChecked, Source
from parley.llm import GroundingSource
from parley.llm.groundedness import Evidence, Verdict, check, is_claim

# The end of a sentence with its quotation marks and markers, or of a line. What follows must have begun: a marker
# may still come after the full stop.
_END = re.compile(r"[.!?…][\"'”’)*_]*(?:\s?\[\d{1,3}\])*\s+(?=[^\s\[])|\n+(?=\S)")
_ABBREVIATED = re.compile(r"(?:\b[A-Za-z]|\b(?:e\.g|i\.e|etc|vs|approx|dr|mr|mrs|ms|no|inc|ltd))\.\s+$", re.IGNORECASE)
_MARKER = re.compile(r"\[(\d{1,3})\]")
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


class SentenceGuard:
    """Takes the text of an answer as it comes; gives it back sentence by sentence, checked. Joined it is the same.

    A sentence is held against the passages it names, one without a marker against all. Code and what claims nothing
    pass unchecked.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = {source.number: source for source in sources}
        self._evidence: dict[frozenset[int], Evidence] = {}
        self._pending = ""
        self._is_code = False

    def take(self, text: str) -> None:
        """The next words."""
        self._pending += text

    @property
    def has_sentence(self) -> bool:
        """Whether a sentence is complete, so that `judge` is worth a thread."""
        return self._next_end() is not None

    def judge(self, *, is_last: bool = False) -> list[tuple[str, SentenceChecked | None]]:
        """Each complete sentence as it was written, and what was found; with `is_last` also the rest.

        Some milliseconds of arithmetic a sentence, a few more for the first one of each set of passages.
        """
        judged = []
        while (end := self._next_end()) is not None:
            sentence, self._pending = self._pending[:end], self._pending[end:]
            judged.append((sentence, self._check(sentence)))
        if is_last and self._pending:
            judged.append((self._pending, self._check(self._pending)))
            self._pending = ""
        return judged

    def _next_end(self) -> int | None:
        for match in _END.finditer(self._pending):
            if not _ABBREVIATED.search(self._pending[: match.end()]):
                return match.end()
        return None

    def _check(self, sentence: str) -> SentenceChecked | None:
        fences = len(_FENCE.findall(sentence))
        was_code, self._is_code = self._is_code, self._is_code ^ bool(fences % 2)
        if was_code or fences or not is_claim(sentence):
            return None
        markers = tuple(dict.fromkeys(int(number) for number in _MARKER.findall(sentence)))
        found = check(sentence, self._evidence_of(frozenset(markers).intersection(self._sources)))
        return SentenceChecked(
            sentence=found.text,
            verdict=found.verdict.value,
            suspicion=round(found.suspicion, 3),
            word=found.word,
            markers=markers,
        )

    def _evidence_of(self, numbers: frozenset[int]) -> Evidence:
        known = self._evidence.get(numbers)
        if known is None:
            chosen = [source for number, source in self._sources.items() if not numbers or number in numbers]
            known = self._evidence[numbers] = Evidence(
                [GroundingSource(number=one.number, title=one.title, text=one.text) for one in chosen]
            )
        return known


def is_supported(checked: SentenceChecked | None) -> bool:
    """Whether a sentence may stay: supported, or nothing that could be."""
    return checked is None or checked.verdict == Verdict.SUPPORTED
