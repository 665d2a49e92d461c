"""Lets through of a small model's answer what the sources say, and quotes them where it says nothing."""

import re
from collections.abc import Sequence
from typing import Final

from parley.llm.quoting import quote_answer
from parley.llm.relevance import Similarity
from parley.llm.requests import Grounding
from parley.llm.sentences import split_sentences
from parley.llm.support import attribute, figures_of, holds_figures, without_markers
from parley.llm.words import content_stems

MOST_SENTENCES: Final = 3
_MOST_TRIES = 6
_MOSTLY = 0.7
# A model of this size guesses its verdicts; what follows them can be checked.
_VERDICT = re.compile(r"^(?:yes|no)\b[,.:;!]?\s*", re.IGNORECASE)


class HonestAnswer:
    """Reads an answer as it streams; `feed` and `finish` return the text to show, cited.

    Left out are sentences that no source supports, questions, code, bare verdicts and repetitions. If none of the
    quotes is said by what is left, `finish` adds them. Without quotes nothing in the sources is about the question:
    then the refusal is all there is. Pure; take the quotes from `quote_answer(grounding, or_nothing=True)`.
    """

    def __init__(self, grounding: Grounding, quotes: Sequence[str]) -> None:
        self._grounding = grounding
        self._quotes = tuple(quotes)
        self._pending = ""
        self._kept: list[str] = []
        self._tries = 0

    @property
    def is_enough(self) -> bool:
        """True when the model need not be listened to any longer."""
        return not self._quotes or len(self._kept) >= MOST_SENTENCES or self._tries >= _MOST_TRIES

    def feed(self, delta: str) -> str:
        """The text that this delta settles: whole, supported sentences; often none."""
        self._pending += delta
        sentences = split_sentences(self._pending)
        if len(sentences) < 2:  # the last one may go on
            return ""
        self._pending = sentences[-1] + (" " if self._pending[-1:].isspace() else "")
        return "".join(self._judge(sentence) for sentence in sentences[:-1])

    def finish(self) -> str:
        """The rest: the last sentence if it holds, then the quotes if they are still missing."""
        last, self._pending = self._pending.strip(), ""
        shown = self._judge(last) if last else ""
        if not self._quotes:
            return self._grounding.refusal
        missing = [quote for quote in self._quotes if not self._says(quote)]
        if len(missing) < len(self._quotes):
            return shown
        rest = "".join(missing).strip()
        return f"{shown}\n\n{rest}" if self._kept else rest

    def _judge(self, sentence: str) -> str:
        self._tries += 1
        if not self._quotes or len(self._kept) >= MOST_SENTENCES or sentence.endswith("?") or "```" in sentence:
            return ""
        claim = without_markers(_VERDICT.sub("", sentence)).strip()
        number = attribute(claim, self._grounding.sources, question=self._grounding.question)
        if number is None or self._says(claim):
            return ""
        lead = " " if self._kept else ""
        self._kept.append(claim)
        return f"{lead}{claim[:1].upper()}{claim[1:]} [{number}]"

    def _says(self, sentence: str) -> bool:
        """Whether the kept sentences together already say this."""
        text = without_markers(sentence)
        wanted = set(content_stems(text))
        kept = " ".join(self._kept)
        said = wanted & set(content_stems(kept))
        return bool(said) and len(said) >= _MOSTLY * len(wanted) and holds_figures(kept, figures_of(text))


def keep_honest(answer: str, grounding: Grounding, *, similarity: Similarity | None = None) -> str:
    """A whole answer of a small model with everything unsupported replaced by the quotes."""
    reader = HonestAnswer(grounding, quote_answer(grounding, similarity=similarity, or_nothing=True))
    return reader.feed(answer) + reader.finish()
