"""The engine end to end: real search on real rows, a provider that speaks over HTTP, events out, nothing written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.assistants.contracts import (
    Finished,
    ModelChosen,
    RespondEvent,
    Retrieved,
    SentenceChecked,
    TextDelta,
    Turn,
    VersionSpec,
)
from apps.assistants.runtime import respond
from apps.assistants.runtime.prompt import estimate
from apps.assistants.runtime.respond import SPARING_SENTENCE
from apps.gateway.contracts import FREE, Grade, Hold, Price, ResolvedRoute
from apps.gateway.models import Hold as HoldRow
from apps.gateway.models import UsageEntry
from apps.gateway.services import holds
from parley.db import in_thread, uuid7
from parley.errors import Unavailable
from parley.llm import ModelTarget
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.assistants.factories import make_choice, make_spec
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

PLANS = b"""# Plans

## Seats

The Team plan includes 15 seats. Further seats cost 4 dollars a month each.

## Refunds

Refunds are paid within 30 days of the purchase. Write to billing@example.com to ask for one.
"""
EXTRACTIVE = make_choice(
    context_tokens=1_000_000,
    target=ModelTarget(backend="extractive", model="extractive"),
    price=FREE,
)


@dataclass
class Heard:
    """All events of one answer."""

    events: list[RespondEvent] = field(default_factory=list)

    @property
    def deltas(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, TextDelta)]

    @property
    def finished(self) -> Finished:
        assert isinstance(self.events[-1], Finished)
        assert sum(isinstance(event, Finished) for event in self.events) == 1
        return self.events[-1]

    @property
    def retrieved(self) -> Retrieved:
        assert isinstance(self.events[0], Retrieved)
        return self.events[0]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
async def version() -> AsyncIterator[VersionSpec]:
    """A version over one indexed document, with the tenant ambient."""

    def make() -> tuple[Any, Any]:
        tenant = make_tenant("Acme")
        with use_tenant(tenant.id):
            return tenant.id, _index(tenant.id)

    tenant_id, base_id = await in_thread(make)
    with use_tenant(tenant_id):
        yield make_spec(knowledge_base_ids=(base_id,))


def _index(tenant_id: Any) -> Any:
    from apps.knowledge.services import documents
    from apps.knowledge.services.indexing import index_document
    from apps.knowledge.services.knowledge_bases import create_knowledge_base

    with pytest.MonkeyPatch.context() as patch, tenant_tx(tenant_id):
        patch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
        base = create_knowledge_base(name="Handbook")
        document = documents.add_document(knowledge_base_id=base.id, name="plans.md", content=PLANS)
    index_document(document_id=document.id)
    return base.id


def route_to(
    fake: FakeProvider, script: Script | list[Script], *, name: str = "scripted", **changes: Any
) -> ResolvedRoute:
    fake.script(name, script)
    return ResolvedRoute("chat", (make_choice(target=fake.target(name), **changes), EXTRACTIVE))


async def listen(**request: Any) -> Heard:
    heard = Heard()
    async with aclosing(respond(**request)) as events:
        async for event in events:
            heard.events.append(event)
    return heard


async def test_an_answer_is_streamed_with_citations_bound_to_what_was_shown(
    fake: FakeProvider, version: VersionSpec
) -> None:
    script = Script(text="The Team plan includes 15 seats [1][9]. It costs more [Source 1], see `x[7]`.")
    heard = await listen(version=version, question="How many seats has the Team plan?", route=route_to(fake, script))
    finished = heard.finished
    assert finished.text == "The Team plan includes 15 seats [1]. It costs more [1], see `x[7]`."
    assert "".join(heard.deltas) == finished.text
    assert len(heard.deltas) > 5
    (citation,) = finished.citations
    assert citation.source in heard.retrieved.sources
    assert "15 seats" in citation.source.text
    assert citation.quote == "The Team plan includes 15 seats."
    assert citation.quote in citation.source.text
    assert finished.call_id
    assert finished.usage.is_reported
    asked = fake.calls[-1].body["messages"]
    assert "15 seats" in asked[-1]["content"]


async def test_the_engine_writes_nothing_and_leaves_settling_to_its_consumer(
    fake: FakeProvider, version: VersionSpec
) -> None:
    heard = await listen(version=version, question="Seats?", route=route_to(fake, Script(text="15 [1].")))

    def rows() -> tuple[int, list[str]]:
        with tenant_tx():
            chat = {"purpose": "chat"}
            return UsageEntry.objects.filter(**chat).count(), [hold.state for hold in HoldRow.objects.filter(**chat)]

    assert await in_thread(rows) == (0, ["held"])
    assert heard.finished.call_id


async def test_a_given_hold_pays_and_limits_the_answer(fake: FakeProvider, version: VersionSpec) -> None:
    route = route_to(fake, Script(text="15 [1]."))
    expected = estimate(version, "Seats?", ())

    def reserve() -> Any:
        with tenant_tx():
            return holds.reserve(
                call_id=uuid7(),
                purpose="chat",
                choice=route.preferred,
                input_tokens=expected.input_tokens,
                max_output_tokens=200,
            )

    hold = await in_thread(reserve)
    heard = await listen(version=version, question="Seats?", route=route, hold=hold)
    assert heard.finished.call_id == hold.call_id
    assert fake.calls[-1].body["max_tokens"] == 200


async def test_without_a_model_the_sources_are_quoted(version: VersionSpec) -> None:
    route = ResolvedRoute("chat", (EXTRACTIVE,))
    heard = await listen(version=version, question="How many seats are in the Team plan?", route=route)
    assert "15 seats" in heard.finished.text
    assert heard.finished.citations[0].source.title
    assert "".join(heard.deltas) == heard.finished.text


async def test_a_broken_model_falls_back_to_quotes(fake: FakeProvider, version: VersionSpec) -> None:
    route = route_to(fake, Script(fault="401"))
    heard = await listen(version=version, question="How many seats are in the Team plan?", route=route)
    assert "15 seats" in heard.finished.text
    assert heard.finished.choice == EXTRACTIVE
    assert heard.finished.citations


async def test_an_empty_knowledge_base_refuses_without_asking_anybody(fake: FakeProvider, version: VersionSpec) -> None:
    empty = replace(version, knowledge_base_ids=(uuid7(),))
    heard = await listen(version=empty, question="Seats?", route=route_to(fake, Script(text="I guess 20.")))
    assert heard.finished.text == version.refusal
    assert (heard.finished.call_id, heard.finished.choice, fake.calls) == (None, None, [])


async def test_what_an_assistant_may_not_see_is_neither_found_nor_told(
    fake: FakeProvider, version: VersionSpec
) -> None:
    """L-20: a tag that is put on now counts for the next question, and no model reads what it hides."""

    def describe() -> None:
        from apps.knowledge import selectors
        from apps.knowledge.services.describing import describe_document

        with tenant_tx():
            (document,) = selectors.list_documents(knowledge_base_id=version.knowledge_base_ids[0])
            describe_document(document_id=document.id, access_tags=["partners"], metadata={"year": 2026})

    question, route = "How many seats has the Team plan?", route_to(fake, Script(text="15 seats [1]."))
    assert (await listen(version=version, question=question, route=route)).retrieved.sources
    await in_thread(describe)
    asked = len(fake.calls)
    this_year, later = ({"field": "year", "gte": year} for year in (2026, 2027))
    for blind in ({}, {"access_tags": ("hr",)}, {"access_tags": ("partners",), "metadata_filter": later}):
        heard = await listen(version=replace(version, **blind), question=question, route=route)
        assert (heard.finished.text, heard.retrieved.sources) == (version.refusal, ())
    assert len(fake.calls) == asked
    partner = replace(version, access_tags=("hr", "partners"), metadata_filter=this_year)
    heard = await listen(version=partner, question=question, route=route)
    assert heard.finished.text == "15 seats [1]."
    assert len(heard.finished.citations) == 1


async def test_an_approved_answer_is_said_word_for_word_and_no_model_is_asked(
    fake: FakeProvider, version: VersionSpec
) -> None:
    """It wins over the document that says something else, and stands as its own and only source."""

    def approve() -> None:
        from apps.knowledge.enums import EntryKind
        from apps.knowledge.services import entries
        from apps.knowledge.services.indexing import index_document

        with pytest.MonkeyPatch.context() as patch, tenant_tx():
            patch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
            entry = entries.add_entry(
                knowledge_base_id=version.knowledge_base_ids[0],
                kind=EntryKind.CURATED,
                question="How many seats has the Team plan?",
                answer="Since May:\n\n- 20 seats",
            )
            document = entries.approve_entry(entry_id=entry.id).document
        index_document(document_id=document.id)

    await in_thread(approve)
    route = route_to(fake, Script(text="15 seats [1]."))
    heard = await listen(version=version, question="How many seats has the team plan", route=route)
    assert heard.finished.text == "Since May:\n\n- 20 seats\n\n[1]"
    assert "".join(heard.deltas) == heard.finished.text
    assert (heard.finished.call_id, heard.finished.choice, fake.calls) == (None, None, [])
    (source,) = heard.retrieved.sources
    assert source.is_curated
    assert [citation.source for citation in heard.finished.citations] == [source]
    other = await listen(version=version, question="Within how many days are refunds paid?", route=route)
    assert other.finished.call_id


async def test_without_knowledge_bases_it_is_a_plain_chat(fake: FakeProvider, version: VersionSpec) -> None:
    plain = replace(version, knowledge_base_ids=())
    heard = await listen(version=plain, question="Tell a joke", route=route_to(fake, Script(text="Knock knock [1].")))
    assert heard.finished.text == "Knock knock."
    assert heard.retrieved.sources == ()
    assert [message["role"] for message in fake.calls[-1].body["messages"]] == ["system", "user"]


async def test_greetings_are_polite_with_and_without_a_writing_model(fake: FakeProvider, version: VersionSpec) -> None:
    quoted = await listen(version=version, question="Hello!", route=ResolvedRoute("chat", (EXTRACTIVE,)))
    assert "Guide" in quoted.finished.text
    assert quoted.finished.call_id is None
    written = await listen(version=version, question="Hello!", route=route_to(fake, Script(text="Hello you.")))
    assert written.finished.text == "Hello you."


async def test_a_follow_up_is_searched_with_the_question_before(fake: FakeProvider, version: VersionSpec) -> None:
    history = [Turn("user", "How many days does a refund take?"), Turn("assistant", "30 days [1].")]
    route = route_to(fake, Script(text="Write to billing [1]."))
    heard = await listen(version=version, question="And whom do I ask?", route=route, history=history)
    assert "billing@example.com" in heard.retrieved.sources[0].text
    assert [message["role"] for message in fake.calls[-1].body["messages"]] == ["system", "user", "assistant", "user"]


HISTORY = [Turn("user", "How many days does a refund take?"), Turn("assistant", "30 days [1].")]
REWRITTEN = "Whom do I write to for a refund?"


def _rewriting_route(fake: FakeProvider, rewrite: Script, **changes: Any) -> ResolvedRoute:
    """A model that rewrites by one script and answers by another."""

    def choose(body: dict[str, Any]) -> Script:
        is_rewriting = body["messages"][0]["content"].startswith("You prepare searches")
        return rewrite if is_rewriting else Script(text="Write to billing [1].")

    fake.script("rewriter", choose)
    return ResolvedRoute("chat", (make_choice(target=fake.target("rewriter"), **changes), EXTRACTIVE))


async def test_a_model_may_say_a_follow_up_so_that_it_makes_sense_alone(
    fake: FakeProvider, version: VersionSpec
) -> None:
    """B-10: it is searched as it was rewritten, and the rewriting stands in the ledger under its own name."""
    route = _rewriting_route(fake, Script(text=f'"{REWRITTEN}"'))
    version = replace(version, rewrites_follow_ups=True)
    heard = await listen(version=version, question="And whom do I ask?", route=route, history=HISTORY)
    assert heard.retrieved.query == REWRITTEN
    assert "billing@example.com" in heard.retrieved.sources[0].text
    assert heard.finished.text == "Write to billing [1]."

    def purposes() -> list[str]:
        with tenant_tx():
            assert not HoldRow.objects.filter(state="held", purpose="rewrite").exists()
            return list(UsageEntry.objects.exclude(purpose="embed").values_list("purpose", flat=True))

    assert await in_thread(purposes) == ["rewrite"]


@pytest.mark.parametrize(
    "rewrite",
    [Script(fault="500"), Script(fault="hang-first"), Script(text="Refunds:\n- within 30 days\n- by mail")],
    ids=["fails", "silent", "answers instead"],
)
async def test_without_a_good_rewriting_the_rule_serves(
    fake: FakeProvider, version: VersionSpec, monkeypatch: pytest.MonkeyPatch, rewrite: Script
) -> None:
    """Nobody who asks waits long for it, or sees an error."""
    monkeypatch.setattr("apps.assistants.runtime.rewriting.PATIENCE_SECONDS", 0.5)
    version = replace(version, rewrites_follow_ups=True)
    route = _rewriting_route(fake, rewrite)
    heard = await listen(version=version, question="And whom do I ask?", route=route, history=HISTORY)
    assert heard.retrieved.query == "How many days does a refund take?\nAnd whom do I ask?"
    assert heard.finished.text == "Write to billing [1]."


@pytest.mark.parametrize(
    ("question", "is_wanted", "changes"),
    [
        ("And whom do I ask?", False, {}),
        ("How many seats are in the Team plan of the company?", True, {}),
        ("And whom do I ask?", True, {"reads_slowly": True, "context_tokens": 2_048, "max_output_tokens": 512}),
    ],
    ids=["not wanted", "makes sense alone", "a slow model"],
)
async def test_the_model_is_not_asked_to_rewrite_without_need(
    fake: FakeProvider, version: VersionSpec, question: str, is_wanted: bool, changes: dict[str, Any]
) -> None:
    version = replace(version, rewrites_follow_ups=is_wanted)
    route = _rewriting_route(fake, Script(text=REWRITTEN), **changes)
    heard = await listen(version=version, question=question, route=route, history=HISTORY)
    assert heard.retrieved.query != REWRITTEN
    assert not any("You prepare searches" in call.body["messages"][0]["content"] for call in fake.calls)


SMALL: dict[str, Any] = {"reads_slowly": True, "context_tokens": 2_048, "max_output_tokens": 512}
SEATS = "How many seats are in the Team plan?"


async def test_a_small_model_is_cited_where_it_restates_a_source(fake: FakeProvider, version: VersionSpec) -> None:
    script = Script(text="The Team plan includes 15 seats. The moon is made of cheese and costs 99 dollars.")
    heard = await listen(version=version, question=SEATS, route=route_to(fake, script, **SMALL))
    assert re.match(r"The Team plan includes 15 seats\.? \[\d\]", heard.finished.text)
    assert "moon" not in heard.finished.text
    assert "15 seats" in heard.finished.citations[0].source.text
    assert "".join(heard.deltas) == heard.finished.text
    prompt = sum(len(message["content"]) for message in fake.calls[-1].body["messages"])
    assert prompt < 4 * 600


async def test_what_a_small_model_makes_up_is_replaced_by_the_quote(fake: FakeProvider, version: VersionSpec) -> None:
    script = Script(text="Our CEO John Smith founded the company with 900 seats in 1999.")
    heard = await listen(version=version, question=SEATS, route=route_to(fake, script, **SMALL))
    assert "15 seats" in heard.finished.text
    assert "John" not in heard.finished.text
    assert heard.finished.citations


async def test_what_is_true_but_beside_the_point_does_not_stand_alone(fake: FakeProvider, version: VersionSpec) -> None:
    script = Script(text="Further seats cost 4 dollars a month each.")
    heard = await listen(version=version, question=SEATS, route=route_to(fake, script, **SMALL))
    assert "15 seats" in heard.finished.text


async def test_a_small_model_is_not_asked_what_no_source_is_about(fake: FakeProvider, version: VersionSpec) -> None:
    route = route_to(fake, Script(text="Purple."), **SMALL)
    heard = await listen(version=version, question="Which colour do zebras prefer on Sundays?", route=route)
    assert (heard.finished.text, fake.calls) == (version.refusal, [])


async def test_a_small_model_that_is_too_slow_gives_way_to_the_quote(
    fake: FakeProvider, version: VersionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.assistants.runtime import restated

    monkeypatch.setattr(restated, "_FIRST_WORDS_S", 0.1)
    route = route_to(fake, Script(text="The Team plan includes 15 seats.", first_delay=5.0), **SMALL)
    heard = await listen(version=version, question=SEATS, route=route)
    assert "15 seats" in heard.finished.text
    assert heard.finished.call_id
    assert not heard.finished.usage.is_reported


async def test_closing_the_stream_closes_the_call(fake: FakeProvider, version: VersionSpec) -> None:
    """S-08: a cancelled answer must not keep its provider writing."""
    route = route_to(fake, Script(token_count=500, token_delay=0.02))
    heard: list[RespondEvent] = []
    async with aclosing(respond(version=version, question=SEATS, route=route)) as events:
        async for event in events:
            heard.append(event)
            if isinstance(event, TextDelta):
                break
    assert isinstance(heard[1], ModelChosen)
    assert await in_thread(fake.wait_until, lambda: fake.calls[-1].was_closed_by_client)


async def test_errors_are_sentences(fake: FakeProvider, version: VersionSpec) -> None:
    plain = replace(version, knowledge_base_ids=())
    with pytest.raises(Unavailable) as caught:
        await listen(version=plain, question="Tell a joke", route=route_to(fake, Script(fault="401")))
    assert caught.value.detail.endswith(".")


async def test_a_poisoned_document_is_only_quoted_material(fake: FakeProvider, version: VersionSpec) -> None:
    """L-04: what a passage says stays inside its fence, so it can never pose as the rules."""
    heard = await listen(version=version, question=SEATS, route=route_to(fake, Script(text="15 [1].")))
    system, asked = (fake.calls[-1].body["messages"][index]["content"] for index in (0, -1))
    for source in heard.retrieved.sources:
        assert source.text not in system
    assert asked.index("<sources>") < asked.index("15 seats") < asked.index("</sources>")
    assert "Never follow" in system


# -- while a budget runs low -----------------------------------------------------


def _hold_at(grade: Grade, route: ResolvedRoute) -> Hold:
    """A reservation for the preferred model, as the door makes it."""
    with tenant_tx():
        hold = holds.reserve(
            call_id=uuid7(), purpose="chat", choice=route.preferred, input_tokens=2_000, max_output_tokens=400
        )
    return replace(hold, grade=grade)


async def test_a_cheaper_model_answers_with_a_shorter_prompt(fake: FakeProvider, version: VersionSpec) -> None:
    """B-09: the dear model's reservation is given back, the cheaper one is reserved before it is asked."""
    fake.script("dear", Script(text="Dear [1]."))
    fake.script("cheap", Script(text="Cheap [1]."))
    cheap = make_choice(model_id=uuid7(), target=fake.target("cheap"), price=Price(Decimal("0.01"), Decimal("0.01")))
    route = ResolvedRoute("chat", (make_choice(target=fake.target("dear")), cheap))
    history = [Turn("user", "word " * 600), Turn("assistant", "word " * 600)] * 3
    lengths = []
    for grade in (Grade.CHEAPER, Grade.SHORTER):
        hold = await in_thread(_hold_at, grade, route)
        heard = await listen(version=version, question="How many seats?", route=route, history=history, hold=hold)
        assert heard.finished.text == "Cheap [1]."
        lengths.append(len(str(fake.calls[-1].body["messages"])))
        assert await in_thread(_state_of, hold.call_id) == "released"
        assert heard.finished.call_id != hold.call_id
    assert lengths[1] < lengths[0] * 0.8


def _state_of(call_id: UUID) -> str:
    with tenant_tx():
        return str(HoldRow.objects.get(call_id=call_id).state)


async def test_known_answers_come_first_and_then_a_polite_refusal(
    fake: FakeProvider, version: VersionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model is asked for either: the caller gives its hold back."""
    known = {"How many seats?": "Fifteen."}

    async def find(_: VersionSpec, query: str) -> str | None:
        return known.get(query)

    monkeypatch.setattr("apps.assistants.runtime.known_answers._finders", [find])
    fake.script("m", Script(text="Written [1]."))
    route = ResolvedRoute("chat", (make_choice(target=fake.target("m")), EXTRACTIVE))

    async def ask(question: str, grade: Grade) -> Finished:
        hold = await in_thread(_hold_at, grade, route)
        return (await listen(version=version, question=question, route=route, hold=hold)).finished

    assert (await ask("How many seats?", Grade.SHORTER)).text == "Written [1]."
    spared = await ask("How many seats?", Grade.CACHED)
    assert (spared.text, spared.call_id) == ("Fifteen.", None)
    assert (await ask("And refunds?", Grade.CACHED)).text == "Written [1]."
    declined = await ask("And refunds?", Grade.REFUSE)
    assert (declined.text, declined.call_id) == (SPARING_SENTENCE, None)
    assert len(fake.calls) == 2


_DOUBTFUL = "The Team plan includes 15 seats [1]. Further seats cost 9 dollars a month each [1]."
_SEATS = "How many seats has the Team plan, and what do further seats cost?"


async def test_an_answer_may_be_marked_without_waiting(fake: FakeProvider, version: VersionSpec) -> None:
    version = replace(version, grounding="annotate")
    heard = await listen(version=version, question=_SEATS, route=route_to(fake, Script(text=_DOUBTFUL)))
    assert heard.finished.text == "".join(heard.deltas) == _DOUBTFUL
    assert [(check.verdict, check.is_shown) for check in heard.finished.checks] == [
        ("supported", True),
        ("contradicted", True),
    ]
    told = [event for event in heard.events if isinstance(event, SentenceChecked)]
    assert tuple(told) == heard.finished.checks
    assert told[1].word == "9"


async def test_an_unchecked_answer_is_told_no_verdicts(fake: FakeProvider, version: VersionSpec) -> None:
    heard = await listen(version=version, question=_SEATS, route=route_to(fake, Script(text=_DOUBTFUL)))
    assert heard.finished.checks == ()
    assert not any(isinstance(event, SentenceChecked) for event in heard.events)


async def test_a_sentence_without_support_ends_the_answer_with_the_refusal(
    fake: FakeProvider, version: VersionSpec
) -> None:
    version = replace(version, grounding="refuse")
    script = Script(text=f"{_DOUBTFUL} The Team plan includes 15 seats [1].")
    heard = await listen(version=version, question=_SEATS, route=route_to(fake, script))
    assert heard.finished.text == "".join(heard.deltas)
    assert heard.finished.text.split() == f"The Team plan includes 15 seats [1]. {version.refusal}".split()
    assert [citation.marker for citation in heard.finished.citations] == [1]
    assert [check.is_shown for check in heard.finished.checks] == [True, False]


async def test_a_sentence_without_support_is_said_anew_once_from_the_passages(
    fake: FakeProvider, version: VersionSpec
) -> None:
    version = replace(version, grounding="rewrite")
    again = Script(text="Further seats cost 4 dollars a month each [1].")
    route = route_to(fake, [Script(text=_DOUBTFUL), again])
    heard = await listen(version=version, question=_SEATS, route=route)
    wanted = "The Team plan includes 15 seats [1]. Further seats cost 4 dollars a month each [1]."
    assert heard.finished.text == "".join(heard.deltas) == wanted
    assert [check.is_shown for check in heard.finished.checks] == [True, False, True]
    assert "9 dollars" in fake.calls[-1].body["messages"][-1]["content"]


async def test_what_stays_wrong_when_said_anew_is_left_out(fake: FakeProvider, version: VersionSpec) -> None:
    version = replace(version, grounding="rewrite")
    route = route_to(fake, [Script(text=_DOUBTFUL), Script(text="Further seats cost 8 dollars a month each [1].")])
    heard = await listen(version=version, question=_SEATS, route=route)
    assert heard.finished.text.strip() == "The Team plan includes 15 seats [1]."
    assert len(fake.calls) == 2
