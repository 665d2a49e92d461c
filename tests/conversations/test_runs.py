"""A run from the message to its rows: streamed, cancelled, orphaned, faulty; always at an end."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.utils import timezone

from apps.conversations import frames
from apps.conversations.enums import GenerationStatus
from apps.conversations.models import Generation, Message
from apps.conversations.services import generations, messages, runner, stopping, sweeping
from apps.conversations.services import runs as runs_module
from apps.conversations.services.following import follow_generation
from apps.conversations.services.generations import Outcome, Progress
from apps.gateway.models import Hold
from apps.gateway.services import budgets
from parley.db import in_thread
from parley.errors import Conflict, Invalid, OverBudget
from parley.llm.fake import Script
from parley.realtime import Event, append_event
from parley.tenancy import tenant_tx, use_tenant
from tests.conversations.conftest import Chat

pytestmark = pytest.mark.django_db(transaction=True)


async def read(chat: Chat, generation_id: UUID, *, after: int = 0, most: int = 10**6) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    async with aclosing(follow_generation(generation_id, tenant_id=chat.tenant_id, after=after)) as batches:
        async for batch in batches:
            found += [json.loads(item.body) for item in batch]
            if len(found) >= most:
                break
    return found


def joined(found: list[dict[str, object]], text: str = "") -> str:
    for frame in found:
        if frame["type"] == "generation.snapshot":
            text = str(frame["text"])
        elif frame["type"] == "generation.delta":
            text += str(frame["text"])
    return text


def holds(chat: Chat) -> list[tuple[str, Decimal]]:
    with tenant_tx(chat.tenant_id):
        return list(Hold.objects.values_list("state", "amount"))


async def test_an_answer_is_streamed_stored_and_settled(chat: Chat, running: None) -> None:
    accepted = await in_thread(chat.send)
    found = await asyncio.wait_for(read(chat, accepted.generation_id), 8)
    assert [frame["seq"] for frame in found] == list(range(1, len(found) + 1))
    assert [found[0]["type"], found[1]["type"], found[-1]["type"]] == [
        "generation.started",
        "generation.retrieved",
        "generation.completed",
    ]
    generation = await in_thread(chat.generation, accepted.generation_id)
    assert joined(found) == generation.text == generation.message.text == "The Team plan includes 15 seats."
    assert generation.status == "completed"
    assert generation.seq == found[-1]["seq"]
    assert generation.output_tokens > 0
    assert generation.cost > 0
    assert [state for state, _ in await in_thread(holds, chat)] == ["settled"]


async def test_late_readers_get_the_same_text_from_rows(chat: Chat, running: None) -> None:
    accepted = await in_thread(chat.send)
    whole = await read(chat, accepted.generation_id)
    again = await read(chat, accepted.generation_id)
    assert joined(again) == joined(whole)
    assert again[-1]["type"] == "generation.completed"
    assert (await read(chat, accepted.generation_id, after=int(str(whole[-1]["seq"]))))[-1] == whole[-1]


async def test_twenty_parallel_sends_make_one_message_and_one_call(chat: Chat, running: None) -> None:
    """S-06."""

    def send(_: int) -> UUID:
        from django.db import connection

        try:
            return chat.send(client_id="same").generation_id
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        found = await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, send, n) for n in range(20)))
    assert len(set(found)) == 1
    await chat.until_ended(found[0])

    def count() -> tuple[int, int]:
        with tenant_tx(chat.tenant_id):
            return Message.objects.filter(role="user").count(), Generation.objects.count()

    assert await in_thread(count) == (1, 1)
    assert len(chat.fake.calls) == 1


async def test_a_hundred_streams_with_disconnects_equal_their_stored_text(chat: Chat, running: None) -> None:
    """S-01 through the whole path: 100 conversations, readers that leave and resume by number."""
    import random

    dice = random.Random(3)
    chat.plan(Script(token_count=30, token_delay=0.01))

    async def one(number: int) -> None:
        conversation_id = await in_thread(chat.another_conversation)

        def send() -> UUID:
            with tenant_tx(chat.tenant_id):
                return messages.send_message(
                    conversation_id=conversation_id, text=f"Question {number}", client_id="c"
                ).generation_id

        generation_id = await in_thread(send)
        text, last, seen = "", 0, []
        for most in [*(dice.randint(1, 5) for _ in range(dice.randint(0, 5))), 10**6]:
            found = await read(chat, generation_id, after=last, most=most)
            text = joined(found, text)
            seen += [frame["seq"] for frame in found if frame["type"] != "generation.snapshot"]
            last = int(str(found[-1]["seq"]))
            if found[-1]["type"] == "generation.completed":
                break
        generation = await in_thread(chat.generation, generation_id)
        assert text == generation.message.text != ""
        assert len(seen) == len(set(seen))

    await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(100))), 60)


async def test_stop_closes_the_provider_within_a_second_and_keeps_what_was_written(chat: Chat, running: None) -> None:
    """S-08."""
    chat.plan(Script(token_count=400, token_delay=0.02))
    accepted = await in_thread(chat.send)
    await read(chat, accepted.generation_id, most=6)

    def cancel() -> None:
        with tenant_tx(chat.tenant_id):
            stopping.cancel_generation(accepted.generation_id)

    started = time.monotonic()
    await in_thread(cancel)
    generation = await chat.until_ended(accepted.generation_id)
    async with asyncio.timeout(1):
        while not chat.fake.calls[-1].was_closed_by_client:  # noqa: ASYNC110 - another thread's flag
            await asyncio.sleep(0.02)
    assert time.monotonic() - started < 1
    assert generation.status == "cancelled"
    assert generation.message.text.startswith("word0")
    assert [state for state, _ in await in_thread(holds, chat)] == ["settled"]
    found = await read(chat, accepted.generation_id)
    assert found[-1]["type"] == "generation.completed"
    assert joined(found) == generation.message.text


@pytest.mark.parametrize("fault", ["refuse", "429", "500", "hang-first", "hang-after-20", "cut", "bad-json", "empty"])
async def test_every_provider_fault_ends_in_a_terminal_state(
    chat: Chat, running: None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-11: success by another model or one clean sentence; nothing stays held."""
    from functools import partial

    from apps.gateway.routing import failures
    from apps.gateway.services import completions
    from parley.llm import Timeouts

    monkeypatch.setattr(failures, "_FIRST_PAUSE", 0.002)
    hasty = Timeouts(connect=0.5, first_token=0.3, between_tokens=0.3, total=3.0)
    monkeypatch.setattr(completions, "stream", partial(completions.stream, timeouts=hasty))
    chat.plan(Script(token_count=60, fault=fault, fault_after=20))  # type: ignore[arg-type] # one of the literals
    accepted = await in_thread(chat.send)
    found = await asyncio.wait_for(read(chat, accepted.generation_id), 15)
    generation = await in_thread(chat.generation, accepted.generation_id)
    assert found[-1]["type"] == "generation.failed"
    assert generation.status == "failed"
    assert str(found[-1]["detail"]) == generation.error
    assert generation.error.endswith(".")
    assert "Traceback" not in generation.error
    assert joined(found) == generation.message.text
    assert all(state != "held" for state, _ in await in_thread(holds, chat))


def test_a_second_message_waits_for_the_first_answer(chat: Chat) -> None:
    chat.send(client_id="one")
    with pytest.raises(Conflict, match="still being written"):
        chat.send(client_id="two")


@pytest.mark.parametrize(
    ("text", "client_id"), [("", "c"), ("   ", "c"), ("x" * 20_001, "c"), ("x", ""), ("x", "c" * 101)]
)
def test_a_message_that_cannot_be_taken_leaves_nothing(chat: Chat, text: str, client_id: str) -> None:
    with pytest.raises(Invalid):
        chat.send(text, client_id)
    with tenant_tx(chat.tenant_id):
        assert not Message.objects.exists()


def test_over_budget_is_refused_before_anything_is_written(chat: Chat) -> None:
    with tenant_tx(chat.tenant_id):
        budgets.set_limit(limit=Decimal("0.000001"))
    with pytest.raises(OverBudget) as refused:
        chat.send()
    assert refused.value.extra["resets_at"]
    with tenant_tx(chat.tenant_id):
        assert not Message.objects.exists()
    assert chat.fake.calls == []


def _claim_and_die(chat: Chat, generation_id: UUID, *, text: str = "", seq: int = 2) -> None:
    """What a process leaves that was killed after it claimed a run."""
    with tenant_tx(chat.tenant_id):
        generation = generations.claim_queued(generation_id)
        assert generation is not None
        Generation.objects.filter(id=generation_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    with use_tenant(chat.tenant_id):
        key = frames.stream_key(generation_id)
        append_event(key, attempt=1, event=Event(1, frames.frame("started", generation_id, 1)))
        if text:
            append_event(key, attempt=1, event=Event(2, frames.delta(generation_id, 2, text)))


async def test_a_run_that_died_in_silence_is_tried_once_more(chat: Chat) -> None:
    """S-03: nothing had reached anybody, so the answer comes all the same, once."""
    accepted = await in_thread(chat.send)
    await in_thread(_claim_and_die, chat, accepted.generation_id)
    await runner.start_runner()
    try:
        found = await asyncio.wait_for(read(chat, accepted.generation_id), 12)
    finally:
        await runner.stop_runner()
    generation = await in_thread(chat.generation, accepted.generation_id)
    assert generation.status == "completed"
    assert generation.attempt == 2
    assert [frame["seq"] for frame in found] == list(range(1, len(found) + 1))
    assert joined(found) == generation.message.text


def test_a_run_that_died_twice_fails(chat: Chat) -> None:
    accepted = chat.send()
    for _ in range(2):
        _claim_and_die(chat, accepted.generation_id)
        sweeping.close_orphans()
    generation = chat.generation(accepted.generation_id)
    assert generation.status == "failed"
    assert generation.error


def test_a_run_that_died_while_speaking_is_interrupted_with_its_words(chat: Chat) -> None:
    """S-02, S-03: what readers saw is kept, byte for byte, and charged as estimated."""
    accepted = chat.send()
    _claim_and_die(chat, accepted.generation_id, text="The Team plan ")
    sweeping.close_orphans()
    sweeping.close_orphans()
    generation = chat.generation(accepted.generation_id)
    assert generation.status == "interrupted"
    assert generation.message.text == generation.text == "The Team plan "
    with tenant_tx(chat.tenant_id):
        assert not Hold.objects.filter(state="held").exists()
    found = asyncio.run(_read_and_shut(chat, accepted.generation_id))
    assert found[-1]["type"] == "generation.failed"
    assert joined(found) == "The Team plan "


async def _read_and_shut(chat: Chat, generation_id: UUID) -> list[dict[str, object]]:
    from parley.realtime import shut_hub

    try:
        return await asyncio.wait_for(read(chat, generation_id), 5)
    finally:
        await shut_hub()


def test_a_zombie_changes_nothing(chat: Chat) -> None:
    """S-07: after another attempt took over, the old one's checkpoint and end are refused."""
    accepted = chat.send()
    _claim_and_die(chat, accepted.generation_id, text="said")
    sweeping.close_orphans()
    with use_tenant(chat.tenant_id):
        stale = Progress(accepted.generation_id, 1, 99, "zombie", None)
        assert generations.checkpoint([stale]) == {}
        outcome = Outcome(GenerationStatus.COMPLETED, "zombie", 99)
        assert generations.finish(generation_id=accepted.generation_id, attempt=1, outcome=outcome) is None
    assert chat.generation(accepted.generation_id).text == "said"


async def test_checkpoints_make_a_long_answer_durable(
    chat: Chat, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "CHECKPOINT_SECONDS", 0.1)
    chat.plan(Script(token_count=100, token_delay=0.02))
    accepted = await in_thread(chat.send)
    async with asyncio.timeout(4):
        while not (await in_thread(chat.generation, accepted.generation_id)).text:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.05)
    generation = await in_thread(chat.generation, accepted.generation_id)
    assert generation.status == "running"
    assert generation.lease_until is not None
    assert generation.lease_until > timezone.now() + timedelta(seconds=15)
    await chat.until_ended(accepted.generation_id)


async def test_a_process_that_ends_lets_go_with_honesty(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-13: what does not end in time is interrupted, with its text."""
    monkeypatch.setattr(runner, "DRAIN_SECONDS", 0.2)
    chat.plan(Script(token_count=400, token_delay=0.02))
    await runner.start_runner()
    accepted = await in_thread(chat.send)
    await read(chat, accepted.generation_id, most=5)
    await runner.stop_runner()
    generation = await in_thread(chat.generation, accepted.generation_id)
    assert generation.status == "interrupted"
    assert generation.message.text


async def test_regenerating_keeps_the_former_answer_behind_the_new_one(chat: Chat, running: None) -> None:
    chat.plan(Script(text="First."), Script(text="Second."))
    first = await in_thread(chat.send)
    await chat.until_ended(first.generation_id)

    def again() -> UUID:
        with tenant_tx(chat.tenant_id):
            return messages.regenerate(message_id=first.message_id, client_id="again").generation_id

    generation_id = await in_thread(again)
    assert await in_thread(again) == generation_id
    assert (await chat.until_ended(generation_id)).message.text == "Second."

    def shown() -> list[str]:
        from apps.conversations.selectors import list_messages

        with tenant_tx(chat.tenant_id):
            return [message.text for message in list_messages(chat.conversation_id)]

    assert await in_thread(shown) == ["How many seats?", "Second."]


async def test_the_next_question_carries_the_history(chat: Chat, running: None) -> None:
    first = await in_thread(chat.send, "My name is Ada.", "one")
    await chat.until_ended(first.generation_id)
    second = await in_thread(chat.send, "What is my name?", "two")
    await chat.until_ended(second.generation_id)
    said = json.dumps(chat.fake.calls[-1].body)
    assert "My name is Ada." in said
    assert "15 seats" in said


def test_text_that_cannot_be_stored_is_cleaned(chat: Chat) -> None:
    accepted = chat.send("a\0b\ud83d!")
    with tenant_tx(chat.tenant_id):
        question = Generation.objects.select_related("question").get(id=accepted.generation_id).question
    assert question.text == "ab\ufffd!"
