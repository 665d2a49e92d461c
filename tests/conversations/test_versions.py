"""Which version answers in a conversation: the one it began with, or its label's; and nothing breaks meanwhile."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest

from apps.assistants.contracts import VersionSpec
from apps.assistants.runtime.templates import instructions_of, values_of
from apps.assistants.services import assistants, labels, rollouts, versions
from apps.conversations.enums import Channel, GenerationStatus
from apps.conversations.models import Conversation, Generation
from apps.conversations.services import conversations, messages
from apps.conversations.services.given import FROM_BROWSERS, FROM_PROGRAMS, Given, read_given
from apps.conversations.services.jobs import job_of, spec_of
from parley.db import in_thread
from parley.errors import NotFound
from parley.llm.fake import Script
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat

pytestmark = pytest.mark.django_db(transaction=True)


def change(chat: Chat, instructions: str) -> int:
    """Publish another prompt; returns the version's number."""
    with tenant_tx(chat.tenant_id):
        assistants.update_draft(assistant_id=chat.assistant_id, instructions=instructions)
        return versions.publish(assistant_id=chat.assistant_id).number


def ask(chat: Chat, conversation_id: UUID, client_id: str) -> Generation:
    """A message whose answer waits: no process of this test runs generations."""
    with tenant_tx(chat.tenant_id):
        accepted = messages.send_message(conversation_id=conversation_id, text="How many?", client_id=client_id)
        generations = Generation.objects.select_related("conversation__assistant", "conversation__version", "question")
        generation: Generation = generations.get(id=accepted.generation_id)
        return generation


def end(chat: Chat, generation: Generation) -> None:
    with tenant_tx(chat.tenant_id):
        Generation.objects.filter(id=generation.id).update(status=GenerationStatus.COMPLETED)


def test_a_conversation_keeps_the_version_it_began_with(chat: Chat) -> None:
    change(chat, "Second.")
    run = ask(chat, chat.conversation_id, "a")
    assert (run.version_number, run.conversation.version.number) == (1, 1)
    assert ask(chat, chat.another_conversation(), "b").version_number == 2


def test_a_conversation_follows_where_that_is_set(chat: Chat) -> None:
    end(chat, ask(chat, chat.conversation_id, "a"))
    with tenant_tx(chat.tenant_id):
        assistants.update_sharing(assistant_id=chat.assistant_id, follows_newest=True)
    change(chat, "Second.")
    run = ask(chat, chat.conversation_id, "b")
    assert (run.version_number, run.conversation.version.number) == (2, 2)
    with tenant_tx(chat.tenant_id):
        versions.rollback(assistant_id=chat.assistant_id, number=1)
        # The run that was accepted under version 2 stays on it, also when another process takes it over.
        assert job_of(run, after=0).spec.instructions == "Second."
    end(chat, run)
    assert ask(chat, chat.conversation_id, "c").version_number == 1


def test_a_label_gives_its_version_and_an_unknown_one_nothing(chat: Chat) -> None:
    with tenant_tx(chat.tenant_id):
        assistants.update_draft(assistant_id=chat.assistant_id, instructions="Try.")
        versions.save_version(assistant_id=chat.assistant_id)
        labels.move_label(assistant_id=chat.assistant_id, label="staging", number=2)
        started = conversations.start_conversation(
            actor=chat.actor, assistant=chat.assistant_id, channel=Channel.API, label="staging"
        )
        assert started.version.number == 2
        with pytest.raises(NotFound, match="has the label"):
            conversations.start_conversation(
                actor=chat.actor, assistant=chat.assistant_id, channel=Channel.API, label="nowhere"
            )


def test_a_rollout_decides_once_for_a_conversation(chat: Chat) -> None:
    change(chat, "Second.")
    with tenant_tx(chat.tenant_id):
        versions.rollback(assistant_id=chat.assistant_id, number=1)
        rollouts.set_rollout(assistant_id=chat.assistant_id, number=2, percent=50)
        begun = [
            conversations.start_conversation(actor=chat.actor, assistant=chat.assistant_id, channel=Channel.API)
            for _ in range(24)
        ]
        kept = {one.id: one.version.number for one in begun}
        assert set(kept.values()) == {1, 2}
        # The share changes for those that begin, not for those under way.
        rollouts.set_rollout(assistant_id=chat.assistant_id, number=2, percent=99)
    for one in begun[:4]:
        assert ask(chat, one.id, "a").version_number == kept[one.id]


async def test_publishing_and_rolling_back_breaks_no_answer_under_way(chat: Chat, running: None) -> None:
    """The issue's scene: many conversations stream while a prompt is published and taken back."""
    chat.plan(Script(text="The Team plan includes 15 seats.", token_delay=0.01))
    wave = 12
    first = [await in_thread(chat.another_conversation) for _ in range(wave)]
    before = [await in_thread(send, chat, one) for one in first]
    assert await in_thread(change, chat, "Second.") == 2
    second = [await in_thread(chat.another_conversation) for _ in range(wave)]
    between = [await in_thread(send, chat, one) for one in second]
    await in_thread(back_to_first, chat)
    third = [await in_thread(chat.another_conversation) for _ in range(wave)]
    after = [await in_thread(send, chat, one) for one in third]
    ended = await asyncio.gather(*(chat.until_ended(one, within=30) for one in [*before, *between, *after]))
    assert {one.status for one in ended} == {"completed"}
    assert {one.text for one in ended} == {"The Team plan includes 15 seats."}
    assert [one.version_number for one in ended] == [1] * wave + [2] * wave + [1] * wave
    assert sum("Second." in json.dumps(call.body) for call in chat.fake.calls) == wave


def send(chat: Chat, conversation_id: UUID) -> UUID:
    with tenant_tx(chat.tenant_id):
        return messages.send_message(conversation_id=conversation_id, text="Seats?", client_id="c").generation_id


def back_to_first(chat: Chat) -> None:
    with tenant_tx(chat.tenant_id):
        versions.rollback(assistant_id=chat.assistant_id, number=1)


def test_the_json_shows_which_version_answers(chat: Chat) -> None:
    from django.test import Client

    client = Client(headers=chat.owner.headers)
    shown = client.get(f"/api/v1/conversations/{chat.conversation_id}/").json()
    assert (shown["version"], shown["label"]) == (1, "production")
    ask(chat, chat.conversation_id, "a")
    answers = client.get(f"/api/v1/conversations/{chat.conversation_id}/messages/").json()["results"]
    assert [one["version"] for one in answers] == [None, 1]
    with tenant_tx(chat.tenant_id):
        assert Conversation.objects.get(id=chat.conversation_id).version.number == 1


def test_values_reach_the_prompt_from_who_may_give_them(chat: Chat) -> None:
    """L-01: a browser cannot give what a prompt expects from a program."""
    variables = [{"name": "plan", "source": "api", "default": "free"}, {"name": "city", "source": "page"}]
    with tenant_tx(chat.tenant_id):
        assistants.update_draft(
            assistant_id=chat.assistant_id, instructions="For {{ plan }} in {{ city }}.", variables=variables
        )
        versions.publish(assistant_id=chat.assistant_id)
        browser = read_given({"variables": {"plan": "team"}, "page": {"city": "Bern"}}, sources=FROM_BROWSERS)
        program = read_given({"variables": {"plan": "team"}, "page": {"city": ["x"]}}, sources=FROM_PROGRAMS)
    assert (browser, program) == ({"page": {"city": "Bern"}}, {"api": {"plan": "team"}})

    def begun(given: Given) -> UUID:
        with tenant_tx(chat.tenant_id):
            started = conversations.start_conversation(
                actor=chat.actor, assistant=chat.assistant_id, channel=Channel.API, given=given
            )
            return started.id

    by_browser, by_program = ask(chat, begun(browser), "a"), ask(chat, begun(program), "b")
    with tenant_tx(chat.tenant_id):
        system = [compose_system(job_of(run, after=0).spec) for run in (by_browser, by_program)]
    assert [one.splitlines()[-2:] for one in system] == [
        ['«plan» = "free"', '«city» = "Bern"'],
        ['«plan» = "team"', "«city» = unknown"],
    ]


def test_a_program_sends_values_and_its_own_braces_stay_braces(chat: Chat) -> None:
    from apps.conversations.openai.requests import read_request

    body = {
        "model": "guide",
        "messages": [{"role": "system", "content": "Say {{ brand }}."}, {"role": "user", "content": "Hi"}],
        "variables": {"plan": "team"},
    }
    completion = read_request(json.dumps(body).encode())
    with tenant_tx(chat.tenant_id):
        assistants.update_draft(
            assistant_id=chat.assistant_id,
            instructions="{{ brand }} for {{ plan }}.",
            variables=[{"name": "brand", "source": "constant", "default": "Acme"}, {"name": "plan"}],
        )
        versions.publish(assistant_id=chat.assistant_id)
        started = conversations.start_conversation(
            actor=chat.actor, assistant=chat.assistant_id, channel=Channel.OPENAI
        )
        spec = spec_of(started, {**completion.overrides, "given": completion.given})
    assert compose_system(spec).startswith("Acme for «plan».\n\nSay {{ brand }}.\n\nValues")
    assert compose_system(spec).endswith('«plan» = "team"')


def compose_system(spec: VersionSpec) -> str:
    return "\n\n".join([instructions_of(spec), values_of(spec)])
