"""The answering engine: retrieve, compose, stream, bind citations. It yields events and writes nothing."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from uuid import UUID

import structlog

from apps.assistants.contracts import (
    BoundCitation,
    Finished,
    RespondEvent,
    Retrieved,
    Source,
    TextDelta,
    Turn,
    VersionSpec,
)
from apps.assistants.runtime.answer import Answer, PlainAnswer
from apps.assistants.runtime.follow_up import search_query
from apps.assistants.runtime.guarding import Guard
from apps.assistants.runtime.known_answers import known_answer
from apps.assistants.runtime.prompt import Prompt, compose, grounding_of
from apps.assistants.runtime.restated import RestatedAnswer, basis_of, compose_small
from apps.assistants.runtime.rewriting import standalone_query
from apps.assistants.runtime.small_talk import small_talk_reply
from apps.gateway.contracts import (
    CallFinished,
    CompletionEvent,
    Grade,
    Hold,
    ModelChoice,
    ModelChosen,
    Purpose,
    ResolvedRoute,
)
from apps.gateway.services import completions, saving
from apps.knowledge import selectors as knowledge
from apps.knowledge.contracts import Audience
from parley.db.threads import in_thread
from parley.llm import FinishReason, Usage, count_tokens

log = structlog.get_logger(__name__)

PASSAGES = 8
# Said instead of an answer when a budget asks to decline before it is used up.
SPARING_SENTENCE = "I have answered many questions lately and cannot take new ones for now. Please try again later."
_NOTHING_USED = Usage(0, 0)


async def respond(
    *,
    version: VersionSpec,
    question: str,
    history: Sequence[Turn] = (),
    route: ResolvedRoute,
    hold: Hold | None = None,
    purpose: Purpose = "chat",
    conversation_id: UUID | None = None,
) -> AsyncGenerator[RespondEvent]:
    """Answer one question: `Retrieved`, then `ModelChosen` and `TextDelta`s, then one `Finished`.

    Where the version has its sentences checked, a `SentenceChecked` follows each of them.

    `history` holds the earlier turns, oldest first, without the question. The ambient tenant must be set and
    no transaction may be open. The consumer settles the call that `Finished` (or the last `ModelChosen`)
    names; when `Finished.call_id` is None no model was asked and `hold` is to be released. `conversation_id`
    only labels the calls. Close the generator when you stop early. Raises `Problem`s, each with a
    sentence for the reader.
    """
    grade = hold.grade if hold is not None else Grade.FULL
    route = saving.route_for(route, grade)
    small_talk = small_talk_reply(question, version)
    is_searched = bool(version.knowledge_base_ids) and not small_talk
    if is_searched and grade < Grade.REFUSE:
        query = await standalone_query(version=version, question=question, history=history, route=route)
    else:
        query = search_query(question, history)
    request = _Request(version, question, query, history, route, hold, purpose, conversation_id)
    if not small_talk and (spared := await _spared_answer(version, query, grade)):
        for event in _say_without_a_model(spared):
            yield event
        return
    sources = await _retrieve(version, query) if is_searched else []
    if sources and sources[0].is_curated:
        for event in _say(sources[0], request.query):
            yield event
        return
    prompt = await _compose(request, sources, is_small_talk=bool(small_talk))
    searched_for = request.query if is_searched else None
    if prompt is None:
        for event in _say_without_a_model(small_talk or version.refusal, tuple(sources), searched_for):
            yield event
        return
    yield Retrieved(prompt.sources, searched_for, tuple(prompt.messages))
    guard = Guard(version, route, prompt.sources) if version.grounding != "off" and prompt.sources else None
    stream = _stream(request, prompt, guard)
    async with aclosing(guard.watch(stream) if guard else stream) as events:
        async for event in events:
            yield event


async def _spared_answer(version: VersionSpec, query: str, grade: Grade) -> str | None:
    """What is said while a budget asks for more than a cheaper and shorter call; None: ask a model after all."""
    if grade < Grade.CACHED:
        return None
    # What was said to one conversation's values may not be said to another's.
    known = None if version.given else await known_answer(version, query)
    return known or (SPARING_SENTENCE if grade >= Grade.REFUSE else None)


def _say_without_a_model(
    text: str, sources: tuple[Source, ...] = (), query: str | None = None, citations: tuple[BoundCitation, ...] = ()
) -> tuple[RespondEvent, ...]:
    """A whole answer that costs nothing; the caller's hold is given back."""
    finished = Finished(text, citations, call_id=None, usage=_NOTHING_USED, reason="stop", choice=None)
    return Retrieved(sources, query), TextDelta(text), finished


async def rehearse(*, version: VersionSpec, question: str, route: ResolvedRoute) -> Prompt | None:
    """The prompt that a first question would send; None when it would be answered without a model.

    Searches as `respond` does and calls no chat model. Raises what `respond` raises before its first words.
    """
    small_talk = small_talk_reply(question, version)
    request = _Request(version, question, question, (), route, None, "chat", None)
    is_searched = bool(version.knowledge_base_ids) and not small_talk
    sources = await _retrieve(version, question) if is_searched else []
    if sources and sources[0].is_curated:
        return None
    return await _compose(request, sources, is_small_talk=bool(small_talk))


def _say(curated: Source, query: str) -> tuple[RespondEvent, ...]:
    """An approved answer, word for word, as its own and only source."""
    # Below a list or code a marker on the last line would become part of it.
    gap = "\n\n" if "\n" in curated.text else " "
    text = f"{curated.text}{gap}[{curated.number}]"
    cited = BoundCitation(marker=curated.number, source=curated, quote=None)
    return _say_without_a_model(text, (curated,), query, (cited,))


@dataclass(frozen=True, slots=True)
class _Request:
    version: VersionSpec
    question: str
    # The question as it makes sense without the conversation.
    query: str
    history: Sequence[Turn]
    route: ResolvedRoute
    hold: Hold | None
    purpose: Purpose
    conversation_id: UUID | None

    @property
    def grade(self) -> Grade:
        """How far the tightest budget asks to save."""
        return self.hold.grade if self.hold is not None else Grade.FULL

    @property
    def is_answered_here(self) -> bool:
        """Whether a model of this machine answers: none of them can be trusted with more than the sources."""
        choice = self.route.preferred
        return choice.is_extractive or choice.reads_slowly

    @property
    def max_output_tokens(self) -> int:
        """What the version wants and the budget allows."""
        wanted = saving.shorter(self.version.max_output_tokens, self.grade)
        return wanted if self.hold is None else min(wanted, self.hold.max_output_tokens)


async def _retrieve(version: VersionSpec, query: str) -> list[Source]:
    passages = await in_thread(
        knowledge.search,
        knowledge_base_ids=version.knowledge_base_ids,
        snapshot_ids=version.snapshot_ids,
        audience=Audience(version.access_tags, version.metadata_filter),
        query=query,
        limit=PASSAGES,
    )
    return [
        Source(
            number=number,
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            title=passage.title,
            text=passage.reading,
            location=passage.location,
            score=passage.score,
            headings=passage.headings,
            is_curated=passage.is_curated,
            relevance=passage.explanation.relevance if passage.explanation else None,
            url=passage.url,
        )
        for number, passage in enumerate(passages, start=1)
    ]


async def _compose(request: _Request, sources: Sequence[Source], *, is_small_talk: bool) -> Prompt | None:
    """What the preferred model reads; None when it could only refuse, or return a greeting that is known here."""
    if is_small_talk:
        return None if request.is_answered_here else _compose_for_writing(request, sources)
    if request.version.knowledge_base_ids and not sources:
        return None
    if not (request.route.preferred.reads_slowly and sources):
        return _compose_for_writing(request, sources)
    return await compose_small(
        question=request.question,
        sources=sources,
        grounding=grounding_of(request.version, request.query, sources),
        max_output_tokens=request.max_output_tokens,
    )


def _compose_for_writing(request: _Request, sources: Sequence[Source]) -> Prompt:
    return compose(
        version=request.version,
        question=request.question,
        query=request.query,
        history=request.history,
        sources=sources,
        choice=request.route.preferred,
        max_output_tokens=request.max_output_tokens,
        context_percent=saving.context_percent(request.grade),
    )


async def _stream(request: _Request, prompt: Prompt, guard: Guard | None) -> AsyncGenerator[RespondEvent]:
    answer: Answer = PlainAnswer(prompt.sources)
    call: ModelChosen | None = None
    said: list[str] = []
    usage: Usage | None = None
    reason: FinishReason = "stop"
    started = asyncio.get_running_loop().time()
    async with aclosing(_call_models(request, prompt)) as events:
        while (event := await _next(events, patience_until=started + answer.patience)) is not None:
            match event:
                case ModelChosen():
                    call, said = event, []
                    if not event.continues:
                        answer = await _answer_of(event.choice, prompt)
                    yield event
                case TextDelta():
                    said.append(event.text)
                    if text := answer.feed(event.text):
                        yield TextDelta(text)
                    if answer.is_enough or (guard is not None and guard.is_enough):
                        break
                case CallFinished():
                    usage, reason = event.usage, event.reason
    if text := answer.finish():
        yield TextDelta(text)
    yield Finished(
        text=answer.text,
        citations=answer.citations(),
        call_id=call.call_id if call else None,
        usage=usage or _usage_so_far(prompt, said),
        reason=reason,
        choice=call.choice if call else None,
    )


async def _next(events: AsyncGenerator[CompletionEvent], *, patience_until: float) -> CompletionEvent | None:
    """The next event; None at the end, or when the answer does better without waiting longer."""
    try:
        async with asyncio.timeout_at(patience_until if patience_until < inf else None):
            return await anext(events, None)
    except TimeoutError:
        log.info("respond.waited_enough")
        return None


def _call_models(request: _Request, prompt: Prompt) -> AsyncGenerator[CompletionEvent]:
    return completions.stream(
        route=request.route,
        messages=prompt.messages,
        max_output_tokens=prompt.max_output_tokens,
        temperature=prompt.temperature,
        grounding=prompt.grounding,
        hold=request.hold,
        purpose=request.purpose,
        stop=prompt.stop,
        assistant_id=request.version.assistant_id,
        conversation_id=request.conversation_id,
    )


async def _answer_of(choice: ModelChoice, prompt: Prompt) -> Answer:
    if choice.reads_slowly and prompt.grounding:
        return RestatedAnswer(prompt.sources, prompt.basis or await basis_of(prompt.grounding))
    return PlainAnswer(prompt.sources)


def _usage_so_far(prompt: Prompt, said: Sequence[str]) -> Usage:
    """Of a call that was closed before its provider counted."""
    read = sum(count_tokens(message.content) for message in prompt.messages)
    return Usage(read, count_tokens("".join(said)), is_reported=False)
