"""The answering engine: retrieve, compose, stream, bind citations. It yields events and writes nothing."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from apps.assistants.contracts import Finished, RespondEvent, Retrieved, Source, TextDelta, Turn, VersionSpec
from apps.assistants.runtime.answer import Answer, PlainAnswer
from apps.assistants.runtime.follow_up import search_query
from apps.assistants.runtime.prompt import Prompt, compose
from apps.assistants.runtime.small_talk import small_talk_reply
from apps.gateway.contracts import CallFinished, Hold, ModelChoice, ModelChosen, Purpose, ResolvedRoute
from apps.gateway.services import completions
from apps.knowledge import selectors as knowledge
from parley.db.threads import in_thread
from parley.llm import Usage

PASSAGES = 8
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

    `history` holds the earlier turns, oldest first, without the question. The ambient tenant must be set and
    no transaction may be open. The consumer settles the call that `Finished` (or the last `ModelChosen`)
    names; when `Finished.call_id` is None no model was asked and `hold` is to be released. `conversation_id`
    only labels the calls. Close the generator when you stop early. Raises `Problem`s, each with a
    sentence for the reader.
    """
    small_talk = small_talk_reply(question, version)
    if small_talk and _quotes_or_restates(route.preferred):
        for event in _without_model(small_talk):
            yield event
        return
    sources = [] if small_talk else await _retrieve(version, search_query(question, history))
    if version.knowledge_base_ids and not sources and not small_talk:
        for event in _without_model(version.refusal):
            yield event
        return
    prompt = _compose(version, question, history, sources, route.preferred, hold)
    yield Retrieved(prompt.sources)
    call = _Call(version, prompt, route, hold, purpose, conversation_id)
    async with aclosing(_stream(call)) as events:
        async for event in events:
            yield event


async def _retrieve(version: VersionSpec, query: str) -> list[Source]:
    if not version.knowledge_base_ids:
        return []
    passages = await in_thread(
        knowledge.search, knowledge_base_ids=version.knowledge_base_ids, query=query, limit=PASSAGES
    )
    return [
        Source(
            number=number,
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            title=passage.title,
            text=passage.text,
            location=passage.location,
            score=passage.score,
            headings=passage.headings,
        )
        for number, passage in enumerate(passages, start=1)
    ]


def _quotes_or_restates(choice: ModelChoice) -> bool:
    """True for the models of this machine, which cannot be trusted with anything but the sources."""
    return choice.is_extractive or choice.reads_slowly


def _without_model(text: str) -> tuple[RespondEvent, ...]:
    finished = Finished(text, (), call_id=None, usage=_NOTHING_USED, reason="stop", choice=None)
    return (Retrieved(()), TextDelta(text), finished)


def _compose(
    version: VersionSpec,
    question: str,
    history: Sequence[Turn],
    sources: Sequence[Source],
    choice: ModelChoice,
    hold: Hold | None,
) -> Prompt:
    allowed = version.max_output_tokens if hold is None else min(version.max_output_tokens, hold.max_output_tokens)
    return compose(
        version=version,
        question=question,
        history=history,
        sources=sources,
        choice=choice,
        max_output_tokens=allowed,
    )


@dataclass(frozen=True, slots=True)
class _Call:
    version: VersionSpec
    prompt: Prompt
    route: ResolvedRoute
    hold: Hold | None
    purpose: Purpose
    conversation_id: UUID | None


async def _stream(call: _Call) -> AsyncGenerator[RespondEvent]:
    prompt = call.prompt
    answer: Answer = PlainAnswer(prompt.sources)
    events = completions.stream(
        route=call.route,
        messages=prompt.messages,
        max_output_tokens=prompt.max_output_tokens,
        temperature=call.version.temperature,
        grounding=prompt.grounding,
        hold=call.hold,
        purpose=call.purpose,
        assistant_id=call.version.assistant_id,
        conversation_id=call.conversation_id,
    )
    async with aclosing(events):
        async for event in events:
            if isinstance(event, ModelChosen):
                answer = _answer_of(event.choice, prompt)
                yield event
            elif isinstance(event, TextDelta):
                if text := answer.feed(event.text):
                    yield TextDelta(text)
            else:
                if text := answer.finish():
                    yield TextDelta(text)
                yield _finished(answer, event)


def _answer_of(choice: ModelChoice, prompt: Prompt) -> Answer:
    return PlainAnswer(prompt.sources)


def _finished(answer: Answer, call: CallFinished) -> Finished:
    return Finished(
        text=answer.text,
        citations=answer.citations(),
        call_id=call.call_id,
        usage=call.usage,
        reason=call.reason,
        choice=call.choice,
    )
