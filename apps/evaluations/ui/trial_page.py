"""What the playground shows of one answer: the words, where they came from, what was sent, what it took."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.safestring import SafeString

from apps.assistants.contracts import Retrieved, Source
from apps.evaluations.services.answering import Answered
from parley.llm import ChatMessage
from parley.web.markdown import render_markdown


@dataclass(frozen=True, slots=True)
class TrialPage:
    """One answer for the template; `error` is the sentence that stands in its place."""

    question: str
    answer: SafeString | str = ""
    error: str = ""
    model: str = ""
    first_words_ms: int = 0
    latency_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    cited: tuple[Source, ...] = ()
    found: tuple[Source, ...] = ()
    searched_for: str = ""
    messages: tuple[ChatMessage, ...] = ()

    @property
    def best_document(self) -> str:
        """What a test case would expect to be cited."""
        return self.cited[0].title if self.cited else ""


def trial_page(question: str, retrieved: Retrieved | None, answered: Answered) -> TrialPage:
    """What is shown of an answer that ended."""
    finished = answered.finished
    cited = {citation.source.number: citation.source for citation in finished.citations}
    return TrialPage(
        question=question,
        answer=render_markdown(finished.text),
        model=finished.choice.label if finished.choice else "No model was asked",
        first_words_ms=answered.first_words_ms,
        latency_ms=answered.latency_ms,
        input_tokens=finished.usage.input_tokens,
        output_tokens=finished.usage.output_tokens,
        cost=answered.cost,
        cited=tuple(cited.values()),
        found=retrieved.sources if retrieved else (),
        searched_for=(retrieved.query or "") if retrieved else "",
        messages=retrieved.messages if retrieved else (),
    )
