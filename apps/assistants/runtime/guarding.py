"""What becomes of an answer's sentences that its passages do not support: marked, said anew once, or refused."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import structlog

from apps.assistants.contracts import Finished, RespondEvent, SentenceChecked, Source, TextDelta, VersionSpec
from apps.assistants.runtime.citations import CitationReader
from apps.assistants.runtime.quotes import bind_citations
from apps.assistants.runtime.sentence_guard import SentenceGuard, is_supported
from apps.gateway.contracts import ResolvedRoute
from apps.gateway.services import completions
from parley.errors import Problem
from parley.llm import ChatMessage, Timeouts

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 12.0
_TIMEOUTS = Timeouts(connect=1.5, first_token=6.0, between_tokens=3.0, total=_PATIENCE_SECONDS)
_LONGEST_REWRITE_TOKENS = 512
_INSTRUCTIONS = (
    "These sentences say something that the numbered passages do not say. Write each one again so that it says only "
    "what a passage says, with that passage's number in brackets after it, as in [1]. Leave a sentence out when no "
    "passage says anything about it. Write nothing else."
)


@dataclass(slots=True)
class Guard:
    """The state of one guarded answer. `is_enough` tells who listens to the model that the answer is decided."""

    version: VersionSpec
    route: ResolvedRoute
    sources: Sequence[Source]
    is_enough: bool = False
    _shown: list[str] = field(default_factory=list)
    _withheld: list[str] = field(default_factory=list)
    _checks: list[SentenceChecked] = field(default_factory=list)

    async def watch(self, events: AsyncGenerator[RespondEvent]) -> AsyncGenerator[RespondEvent]:
        """The same events with a `SentenceChecked` after each sentence, and without the text that may not stay.

        To annotate, text passes at once and verdicts follow. To rewrite or refuse, text waits for the end of its
        sentence, which is the delay that those policies cost.
        """
        reader = SentenceGuard(self.sources)
        waits = self.version.grounding != "annotate"
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta):
                    reader.take(event.text)
                    if not waits:
                        yield event
                    if reader.has_sentence and not self.is_enough:
                        for told in await self._judged(reader, waits=waits):
                            yield told
                elif isinstance(event, Finished):
                    async for told in self._finished(event, reader, waits=waits):
                        yield told
                else:
                    yield event

    async def _finished(self, event: Finished, reader: SentenceGuard, *, waits: bool) -> AsyncGenerator[RespondEvent]:
        if not self.is_enough:
            for told in await self._judged(reader, waits=waits, is_last=True):
                yield told
        if waits:
            async for told in self._made_good():
                yield told
            event = self._ended(event)
        yield replace(event, checks=tuple(self._checks))

    async def _judged(self, reader: SentenceGuard, *, waits: bool, is_last: bool = False) -> list[RespondEvent]:
        told: list[RespondEvent] = []
        for text, checked in await asyncio.to_thread(reader.judge, is_last=is_last):
            stays = not waits or is_supported(checked)
            if not stays:
                self._withheld.append(text)
                self.is_enough = self.version.grounding == "refuse"
            elif waits:
                told.append(self._show(text))
            if checked is not None:
                told.append(self._note(checked, is_shown=stays))
            if self.is_enough:
                break
        return told

    def _show(self, text: str) -> TextDelta:
        self._shown.append(text)
        return TextDelta(text)

    def _note(self, checked: SentenceChecked, *, is_shown: bool) -> SentenceChecked:
        noted = replace(checked, is_shown=is_shown)
        self._checks.append(noted)
        return noted

    async def _made_good(self) -> AsyncGenerator[RespondEvent]:
        """What is said instead of withheld sentences: a second try where that is wanted, else the refusal."""
        if not self._withheld:
            return
        if self.version.grounding == "rewrite" and (again := await self._rewritten()):
            reader = SentenceGuard(self.sources)
            reader.take(again)
            for text, checked in await asyncio.to_thread(reader.judge, is_last=True):
                stays = is_supported(checked)
                if checked is not None:
                    yield self._note(checked, is_shown=stays)
                if stays:
                    yield self._show(self._gap() + text)
        if self.is_enough or not "".join(self._shown).strip():
            yield self._show(f"{self._gap(paragraph=True)}{self.version.refusal}")

    def _gap(self, *, paragraph: bool = False) -> str:
        said = "".join(self._shown)
        if not said or said.endswith("\n\n" if paragraph else ("\n", " ")):
            return ""
        return "\n\n" if paragraph else " "

    async def _rewritten(self) -> str:
        """The withheld sentences in other words, with known markers only; nothing when that cannot be had."""
        choice = self.route.preferred
        if choice.is_extractive or choice.reads_slowly:
            return ""
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                completion = await completions.complete(
                    route=replace(self.route, choices=(choice,)),
                    messages=self._messages(),
                    max_output_tokens=_LONGEST_REWRITE_TOKENS,
                    temperature=0.0,
                    purpose="rewrite",
                    assistant_id=self.version.assistant_id,
                    timeouts=_TIMEOUTS,
                )
        except (Problem, TimeoutError) as problem:
            log.warning("answer.not_rewritten", error=type(problem).__name__)
            return ""
        reader = CitationReader([source.number for source in self.sources])
        return (reader.feed(completion.text) + reader.finish()).strip()

    def _messages(self) -> list[ChatMessage]:
        passages = "\n\n".join(f"[{source.number}] {source.text}" for source in self.sources)
        sentences = "\n".join(f"- {sentence.strip()}" for sentence in self._withheld)
        return [
            ChatMessage("system", _INSTRUCTIONS),
            ChatMessage("user", f"Passages:\n\n{passages}\n\nSentences:\n{sentences}"),
        ]

    def _ended(self, event: Finished) -> Finished:
        text = "".join(self._shown)
        numbers = [source.number for source in self.sources if f"[{source.number}]" in text]
        return replace(event, text=text, citations=bind_citations(text, numbers, self.sources))
