"""Answers of the small model of this machine: little to read, and only what the sources say gets through."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from apps.assistants.contracts import BoundCitation, Source
from apps.assistants.runtime.answer import PlainAnswer
from apps.assistants.runtime.prompt import Basis, Prompt
from parley.llm import Grounding, count_tokens
from parley.llm.honesty import HonestAnswer
from parley.llm.local_similarity import local_similarity
from parley.llm.quoting import choose_pieces, quote_answer
from parley.llm.relevance import best_sentences
from parley.llm.sentences import Piece
from parley.llm.small_model import MAX_OUTPUT_TOKENS, STOP, TEMPERATURE, compose_small_prompt
from parley.llm.words import content_stems

# It reads some 200 tokens a second: with the fixed beginning cached, this much keeps first words under 3 s.
_READING_TOKENS = 240
# Counted from the call on; retrieval and quotes took some 0.3 s before it. First words are due within 3 s.
_FIRST_WORDS_S = 2.5
_WHOLE_ANSWER_S = 7.0
_MUCH_OF_IT = 0.4  # of a sentence's words: a restatement is shorter than what it restates


async def compose_small(
    *, question: str, sources: Sequence[Source], grounding: Grounding, max_output_tokens: int
) -> Prompt | None:
    """The sentences that answer, and the question; None when no sentence is close enough to answer it."""
    basis = await basis_of(grounding)
    if not basis.quotes:
        return None
    return Prompt(
        messages=compose_small_prompt(question, _readable(basis.pieces)),
        sources=tuple(sources),
        grounding=grounding,
        max_output_tokens=min(MAX_OUTPUT_TOKENS, max_output_tokens),
        temperature=TEMPERATURE,
        stop=STOP,
        basis=basis,
    )


async def basis_of(grounding: Grounding) -> Basis:
    """The sentences that answer. Compares meanings for some 200 ms, off the loop."""
    return await asyncio.to_thread(_basis_of, grounding)


def _basis_of(grounding: Grounding) -> Basis:
    pieces = choose_pieces(grounding.question, grounding.sources, similarity=local_similarity)
    quotes = quote_answer(grounding, similarity=local_similarity, or_nothing=True) if pieces else []
    texts: dict[int, list[str]] = {}
    for piece in pieces:
        texts.setdefault(piece.source, []).append(piece.text)
    # Only what would be quoted may be restated: a small model also repeats what is true but beside the point.
    sources = tuple(
        replace(source, text="\n\n".join(texts[source.number]))
        for source in grounding.sources
        if source.number in texts
    )
    ranked = best_sentences(grounding.question, grounding.sources, similarity=local_similarity)
    best = ranked[0].piece.text if ranked else ""
    return Basis(best, tuple(pieces), tuple(quotes), replace(grounding, sources=sources))


def _readable(pieces: Sequence[Piece]) -> list[Piece]:
    """As many pieces as the model reads in time, last first: the prompt turns them round again."""
    spent = 0
    read: list[Piece] = []
    for piece in pieces:
        spent += count_tokens(piece.text)
        if read and spent > _READING_TOKENS:
            break
        read.append(piece)
    return read[::-1]


def _says(text: str, sentence: str) -> bool:
    wanted = set(content_stems(sentence))
    return len(wanted & set(content_stems(text))) >= _MUCH_OF_IT * len(wanted)


class RestatedAnswer:
    """Sentence by sentence: what a source says as well is shown with its citation, the rest is not."""

    def __init__(self, sources: Sequence[Source], basis: Basis) -> None:
        self._basis = basis
        self._honest = HonestAnswer(basis.grounding, basis.quotes)
        self._plain = PlainAnswer(sources)

    @property
    def text(self) -> str:
        """All text given so far."""
        return self._plain.text

    @property
    def is_enough(self) -> bool:
        """True when the model need not be listened to any longer."""
        return self._honest.is_enough

    @property
    def patience(self) -> float:
        """Seconds: on a busy machine the quotes, which are at hand, are worth more than the model's words later."""
        return _FIRST_WORDS_S if not self.text else _WHOLE_ANSWER_S

    def feed(self, delta: str) -> str:
        """The text to show now; empty until a sentence is complete and supported."""
        return self._plain.feed(self._honest.feed(delta))

    def finish(self) -> str:
        """The last sentence, and the quote or the refusal where the model did not say it."""
        rest = self._honest.finish()
        if self._basis.quotes and not _says(f"{self.text} {rest}", self._basis.best):
            # What it restated is true, but not the answer.
            rest += "\n\n" + "".join(self._basis.quotes).strip()
        return self._plain.feed(rest) + self._plain.finish()

    def citations(self) -> tuple[BoundCitation, ...]:
        """The sources cited so far, each with the sentence that was used."""
        return self._plain.citations()
