"""Answers of the small model of this machine: little to read, and only what the sources say gets through."""

import asyncio
from collections.abc import Sequence

from apps.assistants.contracts import BoundCitation, Source
from apps.assistants.runtime.answer import PlainAnswer
from apps.assistants.runtime.prompt import Prompt
from parley.llm import Grounding
from parley.llm.honesty import HonestAnswer
from parley.llm.local_similarity import local_similarity
from parley.llm.quoting import quote_answer
from parley.llm.small_model import MAX_OUTPUT_TOKENS, STOP, TEMPERATURE, compose_small_prompt, select_sentences

# Counted from the call on; retrieval and quotes took some 0.3 s before it. First words are due within 3 s.
_FIRST_WORDS_S = 2.5
_WHOLE_ANSWER_S = 7.0


async def compose_small(
    *, question: str, sources: Sequence[Source], grounding: Grounding, max_output_tokens: int
) -> Prompt | None:
    """The best few sentences of the sources and the question; None when none is close enough to answer it."""
    quotes = await quotes_of(grounding)
    if not quotes:
        return None
    sentences = await asyncio.to_thread(
        select_sentences, grounding.question, grounding.sources, similarity=local_similarity
    )
    return Prompt(
        messages=compose_small_prompt(question, sentences),
        sources=tuple(sources),
        grounding=grounding,
        max_output_tokens=min(MAX_OUTPUT_TOKENS, max_output_tokens),
        temperature=TEMPERATURE,
        stop=STOP,
        quotes=quotes,
    )


async def quotes_of(grounding: Grounding) -> tuple[str, ...]:
    """The sentences that answer, cited. Compares meanings for some 200 ms, off the loop."""
    return tuple(await asyncio.to_thread(quote_answer, grounding, similarity=local_similarity, or_nothing=True))


class RestatedAnswer:
    """Sentence by sentence: what a source says as well is shown with its citation, the rest is not."""

    def __init__(self, sources: Sequence[Source], grounding: Grounding, quotes: Sequence[str]) -> None:
        self._honest = HonestAnswer(grounding, quotes)
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
        return self._plain.feed(self._honest.finish()) + self._plain.finish()

    def citations(self) -> tuple[BoundCitation, ...]:
        """The sources cited so far, each with the sentence that was used."""
        return self._plain.citations()
