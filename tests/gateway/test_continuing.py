"""F-16: a provider that dies in the middle of an answer is continued by the next one; both are paid as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.gateway.contracts import FALLBACK_REASONS, CallFinished, ModelChoice, ResolvedRoute, RoutePolicy
from apps.gateway.models import UsageEntry
from apps.gateway.routing import failures
from apps.gateway.services import budgets, completions, holds
from parley.db import in_thread
from parley.errors import Unavailable
from parley.llm import Timeouts
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import use_tenant
from tests.factories.tenants import make_tenant
from tests.gateway.choices import make_choice
from tests.gateway.test_completions import HASTY, QUESTION, Heard, books, in_tenant, require_closed_books

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = "The Team plan includes fifteen seats and costs forty dollars a month. Seats can be added at any time."
WORDS = ANSWER.split()


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.002)


@pytest.fixture
async def tenant_id() -> AsyncIterator[UUID]:
    tenant = await in_thread(make_tenant, "Acme")
    with use_tenant(tenant.id):
        yield tenant.id


async def listen(*choices: ModelChoice, policy: RoutePolicy | None = None, timeouts: Timeouts = HASTY) -> Heard:
    """Consume a stream as a generation does: settle what finished."""
    heard = Heard()
    route = ResolvedRoute("chat", choices, policy=policy or RoutePolicy())
    try:
        async for event in completions.stream(route=route, messages=QUESTION, max_output_tokens=500, timeouts=timeouts):
            heard.events.append(event)
            if isinstance(event, CallFinished):
                await in_tenant(holds.settle, call_id=event.call_id, usage=event.usage)
    except Exception as problem:
        heard.problem = problem
    return heard


def dies_after(words: int) -> Script:
    return Script(text=ANSWER, fault="cut", fault_after=words)


def goes_on(body: dict[str, Any]) -> Script:
    """A model that does as it is asked: it begins with the last words that were shown."""
    shown = body["messages"][-2]["content"]
    count = len(shown.split())
    return Script(text=" ".join(WORDS[max(0, count - 8) :]))


@pytest.mark.parametrize("words", [1, 2, 7, len(WORDS) - 1])
async def test_an_answer_that_breaks_off_is_continued_to_the_letter(
    words: int, tenant_id: UUID, fake: FakeProvider
) -> None:
    """F-16, B-04, B-09: no word lost or repeated; two reservations, two lines in the ledger."""
    fake.script("dying", dies_after(words))
    fake.script("next", goes_on)
    heard = await listen(make_choice(fake.target("dying")), make_choice(fake.target("next")))
    assert heard.problem is None
    assert heard.text == ANSWER
    first, second = heard.chosen
    assert second.continues
    (failed,) = second.failed
    assert (failed.call_id, failed.kind) == (first.call_id, "bad_response")
    assert failed.characters == len(" ".join(WORDS[:words]))
    found = await require_closed_books()
    assert set(found.costs) == {first.call_id, second.call_id}
    assert all(cost > 0 for cost in found.costs.values())
    confidences = await in_tenant(lambda: dict(UsageEntry.objects.values_list("call_id", "confidence")))
    assert confidences == {first.call_id: "estimated", second.call_id: "exact"}


async def test_three_models_can_follow_each_other(tenant_id: UUID, fake: FakeProvider) -> None:
    """F-16: the second one dies, too; the third sees what both have shown."""
    fake.script("first", dies_after(4))
    fake.script("second", Script(text=ANSWER, fault="hang-after-20", fault_after=9))
    fake.script("third", goes_on)
    heard = await listen(*(make_choice(fake.target(name), label=name) for name in ("first", "second", "third")))
    assert heard.text == ANSWER
    assert [call.label for call in heard.chosen[-1].failed] == ["first", "second"]
    assert fake.calls[-1].body["messages"][-2] == {"role": "assistant", "content": " ".join(WORDS[:9])}
    await require_closed_books()


async def test_the_only_model_is_asked_once_more(tenant_id: UUID, fake: FakeProvider) -> None:
    """F-16: a connection that was cut says little about the model."""
    fake.script("shaky", [dies_after(5), Script(text=ANSWER)])
    heard = await listen(make_choice(fake.target("shaky")))
    assert heard.text == ANSWER
    fake.script("broken", dies_after(5))
    heard = await listen(make_choice(fake.target("broken")))
    assert isinstance(heard.problem, Unavailable)
    assert heard.text == " ".join(WORDS[:5])
    assert len([call for call in fake.calls if call.model == "broken"]) == 2
    await require_closed_books()


async def test_models_of_this_machine_do_not_continue_others(tenant_id: UUID, fake: FakeProvider) -> None:
    fake.script("dying", Script(text=ANSWER, fault="hang-after-20", fault_after=5))
    heard = await listen(make_choice(fake.target("dying")), make_choice(fake.target("fake-5tok"), reads_slowly=True))
    assert isinstance(heard.problem, Unavailable)
    assert [call.model for call in fake.calls] == ["dying"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", "error"),
        ("hang-first", "timeout"),
        ("429", "rate_limit"),
        ("context", "context_overflow"),
        ("filter-0tok", "refusal"),
    ],
)
async def test_a_route_chooses_for_which_faults_the_next_model_is_asked(
    fault: str, reason: Any, tenant_id: UUID, fake: FakeProvider
) -> None:
    """S-11: what is not chosen ends in one sentence, and the next model is not called."""
    broken = make_choice(fake.target(f"fake-{fault}"))
    large = make_choice(fake.target("fake-5tok"), label="Sound", context_tokens=100_000)
    without = RoutePolicy(fallback_on=frozenset(FALLBACK_REASONS) - {reason})
    heard = await listen(broken, large, policy=without)
    assert isinstance(heard.problem, Unavailable)
    assert "fake-5tok" not in {call.model for call in fake.calls}
    heard = await listen(broken, large, policy=RoutePolicy(fallback_on=frozenset({reason})))
    assert heard.problem is None
    await require_closed_books()


async def test_a_text_too_long_is_not_sent_to_a_model_of_the_same_size(tenant_id: UUID, fake: FakeProvider) -> None:
    small = [make_choice(fake.target(f"fake-context-{number}tok")) for number in (1, 2)]
    heard = await listen(*small, make_choice(fake.target("fake-5tok"), context_tokens=100_000))
    assert heard.problem is None
    assert [call.model for call in fake.calls] == ["fake-context-1tok", "fake-5tok"]


async def test_an_answer_is_not_continued_where_the_route_forbids_it(tenant_id: UUID, fake: FakeProvider) -> None:
    fake.script("dying", dies_after(5))
    heard = await listen(
        make_choice(fake.target("dying")),
        make_choice(fake.target("fake-5tok")),
        policy=RoutePolicy(continues_answers=False),
    )
    assert isinstance(heard.problem, Unavailable)
    assert [call.model for call in fake.calls] == ["dying"]
    await require_closed_books()


HEDGED = RoutePolicy(hedge_after_ms=50)


async def test_the_first_to_speak_wins_and_the_other_is_paid_for_its_input(tenant_id: UUID, fake: FakeProvider) -> None:
    """Hedging: the loser's socket is closed, and its call charged as far as it went (B-04)."""
    fake.script("silent", Script(text="Too late.", first_delay=30.0))
    fake.script("quick", Script(text=ANSWER))
    patient = Timeouts(connect=0.5, first_token=20.0, between_tokens=5.0, total=30.0)
    heard = await listen(
        make_choice(fake.target("silent"), label="Silent"),
        make_choice(fake.target("quick"), label="Quick"),
        policy=HEDGED,
        timeouts=patient,
    )
    assert heard.problem is None
    assert heard.text == ANSWER
    (chosen,) = heard.chosen
    assert chosen.choice.label == "Quick"
    (loser,) = chosen.failed
    assert (loser.label, loser.kind) == ("Silent", "slower")
    found = await require_closed_books()
    assert set(found.costs) == {chosen.call_id, loser.call_id}
    assert 0 < found.costs[loser.call_id] < found.costs[chosen.call_id]
    assert fake.wait_until(lambda: fake.open_sockets <= 1)


async def test_no_second_model_is_asked_when_the_first_speaks_in_time(tenant_id: UUID, fake: FakeProvider) -> None:
    patient = RoutePolicy(hedge_after_ms=20_000)
    heard = await listen(make_choice(fake.target("fake-3tok")), make_choice(fake.target("fake-5tok")), policy=patient)
    assert heard.problem is None
    assert [call.model for call in fake.calls] == ["fake-3tok"]
    assert len((await books()).states) == 1


async def test_when_both_fail_the_third_is_asked(tenant_id: UUID, fake: FakeProvider) -> None:
    """S-11 with hedging: nobody's failure is final while a model is left."""
    fake.script("slow", Script(fault="hang-first"))
    fake.script("broken", Script(fault="500"))
    heard = await listen(
        make_choice(fake.target("slow")),
        make_choice(fake.target("broken")),
        make_choice(fake.target("fake-5tok"), label="Third"),
        policy=HEDGED,
    )
    assert heard.finished is not None
    assert heard.finished.choice.label == "Third"
    assert [call.model for call in fake.calls].count("broken") <= failures.MAX_ATTEMPTS
    await require_closed_books()


async def test_the_winner_of_a_race_is_continued_when_it_dies(tenant_id: UUID, fake: FakeProvider) -> None:
    """F-16 with hedging."""
    fake.script("silent", Script(fault="hang-first"))
    fake.script("dying", dies_after(6))
    fake.script("third", goes_on)
    patient = Timeouts(connect=0.5, first_token=20.0, between_tokens=5.0, total=30.0)
    heard = await listen(
        *(make_choice(fake.target(name), label=name) for name in ("silent", "dying", "third")),
        policy=HEDGED,
        timeouts=patient,
    )
    assert heard.text == ANSWER
    assert {call.label for call in heard.chosen[-1].failed} == {"silent", "dying"}
    await require_closed_books()


async def test_a_budget_that_pays_for_one_call_only_ends_the_answer_where_it_broke(
    tenant_id: UUID, fake: FakeProvider
) -> None:
    """B-09: the continuation has a reservation of its own, or is not asked."""
    fake.script("dying", dies_after(5))
    await in_tenant(budgets.set_limit, limit=Decimal("0.006"))
    heard = await listen(make_choice(fake.target("dying")), make_choice(fake.target("fake-5tok"), price=None))
    assert isinstance(heard.problem, Unavailable)
    assert {call.model for call in fake.calls} == {"dying"}
    await require_closed_books()
