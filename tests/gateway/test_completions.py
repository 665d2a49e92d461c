"""One answer through a route, against a provider that fails in every way it can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.gateway import selectors
from apps.gateway.contracts import (
    EXTRACTIVE_MODEL_ID,
    FREE,
    CallFinished,
    CompletionEvent,
    Hold,
    ModelChoice,
    ModelChosen,
    Price,
    ResolvedRoute,
)
from apps.gateway.models import Hold as HoldRow
from apps.gateway.models import UsageEntry
from apps.gateway.routing import failures
from apps.gateway.services import budgets, completions, holds
from parley.db import in_thread, uuid7
from parley.errors import Invalid, OverBudget, Unavailable
from parley.llm import ChatMessage, Grounding, GroundingSource, ModelTarget, TextDelta, Timeouts
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = (ChatMessage("system", "Be brief."), ChatMessage("user", "How many seats are in the Team plan?"))
HASTY = Timeouts(connect=0.5, first_token=0.25, between_tokens=0.25, total=3.0)
SOURCES = Grounding(
    question="How many seats are in the Team plan?",
    sources=(GroundingSource(1, "Plans", "The Team plan includes 15 seats. The Solo plan includes one seat."),),
    refusal="I do not know.",
)
# S-11 names eight ways to fail.
BEFORE_THE_FIRST_WORD = ("refuse", "429", "500", "hang-first", "bad-json-first", "empty")
AFTER_THE_FIRST_WORD = ("hang-after-20", "cut", "bad-json")
FAULTS = BEFORE_THE_FIRST_WORD + AFTER_THE_FIRST_WORD


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.script("fake-bad-json-first-100tok", Script(fault="bad-json", fault_after=0))
        yield provider


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.002)


@pytest.fixture
async def tenant_id() -> AsyncIterator[UUID]:
    tenant = await in_thread(make_tenant, "Acme")
    with use_tenant(tenant.id):
        yield tenant.id


@dataclass
class Heard:
    """What a consumer heard, and the end of it."""

    events: list[CompletionEvent] = field(default_factory=list)
    problem: Exception | None = None

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def chosen(self) -> list[ModelChosen]:
        return [event for event in self.events if isinstance(event, ModelChosen)]

    @property
    def finished(self) -> CallFinished | None:
        return next((event for event in self.events if isinstance(event, CallFinished)), None)


async def listen(*choices: ModelChoice, hold: Hold | None = None, grounding: Grounding | None = None) -> Heard:
    """Consume a stream as a generation does: settle what finished."""
    heard = Heard()
    stream = completions.stream(
        route=ResolvedRoute("chat", choices),
        messages=QUESTION,
        max_output_tokens=500,
        hold=hold,
        grounding=grounding,
        timeouts=HASTY,
    )
    try:
        async with aclosing(stream) as events:
            async for event in events:
                heard.events.append(event)
        if heard.finished is not None:
            await in_tenant(holds.settle, call_id=heard.finished.call_id, usage=heard.finished.usage)
    except Exception as problem:
        heard.problem = problem
    return heard


async def in_tenant(func: Callable[..., Any], **arguments: Any) -> Any:
    def call() -> Any:
        with tenant_tx():
            return func(**arguments)

    return await in_thread(call)


@dataclass
class Books:
    """What the books say afterwards."""

    states: dict[UUID, str]
    costs: dict[UUID, Decimal]
    spent: Decimal
    held: Decimal


async def books() -> Books:
    def read() -> Books:
        with tenant_tx():
            status = selectors.budget_status()
            return Books(
                states=dict(HoldRow.objects.values_list("call_id", "state")),
                costs=dict(UsageEntry.objects.values_list("call_id", "cost")),
                spent=status.spent,
                held=status.held,
            )

    return await in_thread(read)


async def require_closed_books() -> Books:
    """Nothing is held, everything charged is in the ledger."""
    found = await books()
    assert found.held == 0
    assert "held" not in found.states.values()
    assert sum(found.costs.values()) == found.spent
    return found


async def test_an_answer_streams_and_its_exact_usage_is_charged(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-10: the provider's calls and the reservations are the same set."""
    fake.script("good", Script(text="Fifteen seats.", reported_input_tokens=40, reported_output_tokens=4))
    heard = await listen(make_choice(fake.target("good")))
    assert heard.problem is None
    assert heard.text == "Fifteen seats."
    found = await require_closed_books()
    assert found.spent == Decimal("0.00008")
    assert len(found.states) == len(fake.calls) == 1
    assert fake.calls[0].body["max_tokens"] == 500


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_ends_in_an_answer_of_the_next_model(fault: str, tenant_id: UUID, fake: FakeProvider) -> None:
    """S-11: refuse, 429, 500, hang before the first word, hang after 20, cut, bad JSON, empty; B-09: the fallback
    has a reservation of its own, made before its call."""
    heard = await listen(
        make_choice(fake.target(f"fake-{fault}-100tok"), label="Broken"),
        make_choice(fake.target("fake-5tok"), label="Sound"),
    )
    found = await require_closed_books()
    assert heard.problem is None
    assert heard.finished is not None
    assert heard.finished.choice.label == "Sound"
    assert heard.chosen[-1].call_id == heard.finished.call_id
    assert {call.label for call in heard.chosen[-1].failed} == {"Broken"}
    assert len({event.call_id for event in heard.chosen if event.choice.label == "Sound"}) == 1
    assert found.states[heard.finished.call_id] == "settled"
    assert {event.call_id for event in heard.chosen} == set(found.states)
    before = heard.events[: heard.events.index(heard.chosen[-1])]
    has_begun = any(isinstance(event, TextDelta) for event in before)
    assert has_begun == heard.chosen[-1].continues == (fault in AFTER_THE_FIRST_WORD)
    if has_begun:
        assert found.costs[heard.chosen[0].call_id] > 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_without_another_model_is_one_clean_error(
    fault: str, tenant_id: UUID, fake: FakeProvider
) -> None:
    """S-11: one sentence, nothing held, and what may have cost something is charged."""
    heard = await listen(make_choice(fake.target(f"fake-{fault}-100tok")))
    assert isinstance(heard.problem, Unavailable)
    assert heard.problem.status == 503
    assert heard.problem.detail.endswith(".")
    assert "Traceback" not in heard.problem.detail
    found = await require_closed_books()
    if fault in ("refuse", "429"):
        assert found.spent == 0
    else:
        assert found.spent > 0


@pytest.mark.parametrize("fault", BEFORE_THE_FIRST_WORD)
async def test_the_last_resort_answers_from_the_sources(fault: str, tenant_id: UUID, fake: FakeProvider) -> None:
    """S-11: with passages at hand, a provider's fault costs a visitor nothing."""
    heard = await listen(make_choice(fake.target(f"fake-{fault}-100tok")), extractive(), grounding=SOURCES)
    assert heard.problem is None
    assert "15 seats" in heard.text
    assert "[1]" in heard.text
    await require_closed_books()


def extractive() -> ModelChoice:
    return make_choice(
        ModelTarget("extractive", "extractive"), model_id=EXTRACTIVE_MODEL_ID, price=FREE, label="Quotes"
    )


async def test_the_last_resort_is_not_asked_without_sources(tenant_id: UUID) -> None:
    heard = await listen(extractive())
    assert isinstance(heard.problem, Unavailable)
    assert not (await books()).states


async def test_a_passing_fault_is_repeated_on_the_same_model(tenant_id: UUID, fake: FakeProvider) -> None:
    """S-11: at most two repeats; a repeat of a call that was turned away uses the same reservation."""
    fake.script("shaky", [Script(fault="503", retry_after=None)] * 2 + [Script(text="At last.")])
    heard = await listen(make_choice(fake.target("shaky")))
    assert heard.text == "At last."
    assert len(fake.calls) == 3
    assert len((await require_closed_books()).states) == 1


async def test_a_repeat_of_a_call_that_was_read_pays_again(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-04: an empty answer cost its input; the repeat has a reservation of its own."""
    fake.script("shaky", [Script(fault="empty"), Script(text="At last.")])
    heard = await listen(make_choice(fake.target("shaky")))
    assert heard.text == "At last."
    found = await require_closed_books()
    assert len(found.states) == len(found.costs) == 2


async def test_after_three_calls_the_model_is_given_up(tenant_id: UUID, fake: FakeProvider) -> None:
    fake.script("down", Script(fault="503", retry_after=None))
    heard = await listen(make_choice(fake.target("down")))
    assert isinstance(heard.problem, Unavailable)
    assert len(fake.calls) == 3


async def test_a_model_that_keeps_failing_is_passed_over_at_once(tenant_id: UUID, fake: FakeProvider) -> None:
    """S-11: after five failures its visitors get the next model without waiting; its hold is given back."""
    fake.script("down", Script(fault="503", retry_after=None))
    down, sound = make_choice(fake.target("down")), make_choice(fake.target("fake-3tok"))
    for _ in range(2):
        assert (await listen(down, sound)).problem is None
    asked = len([call for call in fake.calls if call.model == "down"])
    hold = await take(down)
    heard = await listen(down, sound, hold=hold)
    assert heard.problem is None
    assert len([call for call in fake.calls if call.model == "down"]) == asked == 6
    assert (await require_closed_books()).states[hold.call_id] == "released"
    # With nobody else to ask, it is asked all the same.
    assert isinstance((await listen(down)).problem, Unavailable)
    assert len([call for call in fake.calls if call.model == "down"]) > asked


async def test_a_long_retry_after_goes_to_the_next_model_at_once(tenant_id: UUID, fake: FakeProvider) -> None:
    fake.script("busy", Script(fault="429", retry_after="30"))
    heard = await listen(make_choice(fake.target("busy")), make_choice(fake.target("fake-3tok")))
    assert heard.problem is None
    assert [call.model for call in fake.calls] == ["busy", "fake-3tok"]


async def take(choice: ModelChoice, **fields: Any) -> Hold:
    hold: Hold = await in_tenant(
        holds.reserve,
        call_id=uuid7(),
        purpose="chat",
        choice=choice,
        input_tokens=100,
        max_output_tokens=fields.get("max_output_tokens", 300),
    )
    return hold


async def test_a_hold_taken_earlier_pays_for_the_first_model(tenant_id: UUID, fake: FakeProvider) -> None:
    """The reservation of the accepted message is used, and its limit on the answer is kept."""
    choice = make_choice(fake.target("fake-3tok"))
    hold = await take(choice, max_output_tokens=123)
    heard = await listen(choice, hold=hold)
    assert heard.chosen[0].call_id == hold.call_id
    assert fake.calls[0].body["max_tokens"] == 123
    assert len((await require_closed_books()).states) == 1


async def test_a_hold_for_another_model_is_given_back(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-09: another model is another price, so it is reserved anew before it is called."""
    hold = await take(make_choice(label="Removed meanwhile"))
    heard = await listen(make_choice(fake.target("fake-3tok")), hold=hold)
    found = await require_closed_books()
    assert found.states[hold.call_id] == "released"
    assert heard.chosen[0].call_id != hold.call_id


async def test_the_fallback_reserves_at_its_own_price_before_it_is_called(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-09: a fallback that does not fit into the budget is never called."""
    cheap = make_choice(fake.target("fake-refuse"), label="Cheap")
    dear = make_choice(fake.target("fake-5tok"), label="Dear", price=Price(Decimal(1_000), Decimal(10_000)))
    await in_tenant(budgets.set_limit, limit=Decimal("0.01"))
    heard = await listen(cheap, dear)
    assert isinstance(heard.problem, Unavailable)
    assert [call.model for call in fake.calls if call.model == "fake-5tok"] == []
    await require_closed_books()


async def test_over_budget_stops_before_any_call(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-10: a refused reservation reaches no provider."""
    await in_tenant(budgets.set_limit, limit=Decimal(0))
    heard = await listen(make_choice(fake.target("fake-5tok")))
    assert isinstance(heard.problem, OverBudget)
    assert not fake.calls


async def test_an_unknown_price_stops_before_any_call(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-08: no price, no call."""
    heard = await listen(make_choice(fake.target("fake-5tok"), price=None))
    assert isinstance(heard.problem, Invalid)
    assert not fake.calls


async def test_cancelling_closes_the_socket_and_leaves_the_bill_to_the_consumer(
    tenant_id: UUID, fake: FakeProvider
) -> None:
    """S-08: the provider stops writing; the consumer books what was read so far."""
    stream = completions.stream(
        route=ResolvedRoute("chat", (make_choice(fake.target("fake-100tps-1000tok")),)),
        messages=QUESTION,
        max_output_tokens=900,
    )
    text, call_id = "", None
    async with aclosing(stream) as events:
        async for event in events:
            if isinstance(event, ModelChosen):
                call_id = event.call_id
            elif isinstance(event, TextDelta):
                text += event.text
                if len(text) > 40:
                    break
    assert await asyncio.to_thread(fake.wait_until, lambda: fake.calls[0].was_closed_by_client)
    assert call_id is not None
    assert (await books()).states[call_id] == "held"
    await in_tenant(holds.settle_interrupted, call_id=call_id, text=text)
    found = await require_closed_books()
    assert found.costs[call_id] > 0


async def test_complete_settles_by_itself(tenant_id: UUID, fake: FakeProvider) -> None:
    fake.script("judge", Script(text="Yes."))
    answer = await completions.complete(
        route=ResolvedRoute("judge", (make_choice(fake.target("judge")),)),
        messages=QUESTION,
        max_output_tokens=20,
        temperature=0.0,
        purpose="judge",
    )
    assert answer.text == "Yes."
    assert (await require_closed_books()).spent > 0


async def test_a_cancelled_completion_is_charged(tenant_id: UUID, fake: FakeProvider) -> None:
    """B-04: never zero once dispatched, also when the judge's task is cancelled."""
    task = asyncio.create_task(
        completions.complete(
            route=ResolvedRoute("judge", (make_choice(fake.target("fake-20tps-100tok")),)),
            messages=QUESTION,
            max_output_tokens=200,
            purpose="judge",
        )
    )
    assert await asyncio.to_thread(fake.wait_until, lambda: bool(fake.calls))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await require_closed_books()).spent > 0


async def test_an_address_that_turned_private_is_not_called(tenant_id: UUID, fake: FakeProvider, settings: Any) -> None:
    """L-09: the address is checked again right before the call, not only when it was saved."""
    settings.PARLEY_ALLOW_PRIVATE_PROVIDERS = False
    heard = await listen(make_choice(fake.target("fake-5tok")))
    assert isinstance(heard.problem, Unavailable)
    assert "private network" in heard.problem.detail
    assert not fake.calls
