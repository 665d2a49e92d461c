"""Many conversations over a route of three providers that keep failing: every one of them is answered (S-11, F-16)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from apps.assistants.services.assistants import update_draft
from apps.assistants.services.versions import publish
from apps.conversations.models import Generation
from apps.conversations.services import messages, runner
from apps.gateway import selectors as gateway
from apps.gateway.models import Hold, UsageEntry
from apps.gateway.routing import failures
from apps.gateway.services import completions, routes
from parley.db import in_thread
from parley.llm import Timeouts
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx, use_tenant
from tests.conversations.conftest import Chat, make_chat
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = (
    "The Team plan includes fifteen seats. Each further seat costs four dollars a month, and it can be given back at "
    "the end of any month. Guests need no seat at all."
)
WORDS = ANSWER.split()
# One call in five fails: an error, too many calls, silence, an end in the middle.
FAULTS = (
    (0.08, Script(fault="500")),
    (0.04, Script(fault="429", retry_after="1")),
    (0.03, Script(fault="hang-first")),
    (0.05, None),
)


@pytest.fixture
def providers() -> Iterator[list[FakeProvider]]:
    """Three of them, each on a port of its own."""
    with FakeProvider() as first, FakeProvider() as second, FakeProvider() as third:
        yield [first, second, third]


@pytest.fixture
async def running() -> AsyncIterator[None]:
    await runner.start_runner()
    yield
    await runner.stop_runner()


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.002)
    limits = Timeouts(connect=2.0, first_token=4.0, between_tokens=5.0, total=30.0)
    monkeypatch.setattr(completions, "stream", partial(completions.stream, timeouts=limits))


def answer_to(body: dict[str, Any]) -> str:
    """The whole answer, or from the words on that a continuation was asked to begin with."""
    asked = body["messages"]
    if asked[-1]["content"].startswith("Your answer was cut off"):
        return " ".join(WORDS[max(0, len(asked[-2]["content"].split()) - 8) :])
    return ANSWER


def routed_chat(providers: list[FakeProvider], owner: TenantWithKey) -> Chat:
    """An assistant on a route of three models."""
    chat = make_chat(providers[0], owner)
    with tenant_tx(chat.tenant_id):
        ids = []
        for number, provider in enumerate(providers):
            row = add_provider(name=f"House {number}", base_url=provider.base_url)
            ids.append(add_model(row, name=f"model-{number}").id)
        route = routes.create_route(name="Three", model_ids=ids)
        update_draft(assistant_id=chat.assistant_id, route_id=route.id)
        publish(assistant_id=chat.assistant_id)
    return chat


async def converse(chat: Chat, *, within: float = 120) -> Generation:
    """One conversation of one message."""

    def begin() -> UUID:
        conversation_id = chat.another_conversation()
        with tenant_tx(chat.tenant_id):
            sent = messages.send_message(conversation_id=conversation_id, text="How many seats?", client_id="c")
            return sent.generation_id

    return await chat.until_ended(await in_thread(begin), within=within)


def books(chat: Chat) -> tuple[set[str], dict[UUID, Any]]:
    with tenant_tx(chat.tenant_id):
        return set(Hold.objects.values_list("state", flat=True)), dict(
            UsageEntry.objects.values_list("call_id", "cost")
        )


async def test_a_hundred_conversations_with_a_fifth_of_the_calls_failing_are_all_answered(
    providers: list[FakeProvider], tenant_a: TenantWithKey, running: None
) -> None:
    """S-11, F-16, B-04: no failed answer, no word lost or repeated, nothing held, every call paid as it was."""
    dice = random.Random(11)

    def fate(body: dict[str, Any]) -> Script:
        text, thrown = answer_to(body), dice.random()
        for share, fault in FAULTS:
            if thrown < share:
                return fault or Script(text=text, fault="cut", fault_after=dice.randrange(1, len(text.split())))
            thrown -= share
        return Script(text=text)

    chat = await in_thread(routed_chat, providers, tenant_a)
    for number, provider in enumerate(providers):
        provider.script(f"model-{number}", fate)
    with use_tenant(chat.tenant_id):
        ended: list[Generation] = []
        for _ in range(4):
            ended += await asyncio.gather(*(converse(chat) for _ in range(25)))
    assert {generation.status for generation in ended} == {"completed"}
    assert {generation.message.text for generation in ended} == {ANSWER}
    calls = sum(len(provider.calls) for provider in providers)
    assert calls > 105
    continued = [generation for generation in ended if any(call["characters"] for call in generation.failed_calls)]
    assert continued
    states, costs = await in_thread(books, chat)
    assert "held" not in states
    for generation in continued:
        paid = {str(generation.call_id), *(call["call_id"] for call in generation.failed_calls)}
        assert generation.cost == sum(costs.get(UUID(call_id), 0) for call_id in paid)


async def test_a_message_tells_who_began_and_who_went_on(
    providers: list[FakeProvider], tenant_a: TenantWithKey, running: None
) -> None:
    """F-16: the trace of the message names both models, and its cost is that of both calls."""
    chat = await in_thread(routed_chat, providers, tenant_a)
    providers[0].script("model-0", Script(text=ANSWER, fault="cut", fault_after=9))
    providers[1].script("model-1", lambda body: Script(text=answer_to(body)))
    with use_tenant(chat.tenant_id):
        generation = await converse(chat)
    assert generation.status == "completed"
    assert generation.text == ANSWER
    assert generation.model_label == "model-1"
    (failed,) = generation.failed_calls
    assert (failed["model"], failed["kind"]) == ("model-0", "bad_response")
    assert failed["characters"] == len(" ".join(WORDS[:9]))

    def costs() -> list[Any]:
        with tenant_tx(chat.tenant_id):
            return [gateway.cost_of_call(UUID(call_id)) for call_id in (str(generation.call_id), failed["call_id"])]

    last, first = await in_thread(costs)
    assert first > 0
    assert generation.cost == first + last
