"""The history of real searches: what an answer searched for, written after it, and never instead of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from apps.assistants.services.assistants import update_draft
from apps.assistants.services.versions import publish
from apps.conversations.enums import Channel
from apps.conversations.services import conversations, messages, runner
from apps.knowledge.models import RecordedSearch
from apps.knowledge.services import searches
from apps.knowledge.services.documents import add_document
from apps.knowledge.services.indexing import index_document
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.db import in_thread
from parley.llm.fake import Script
from parley.tenancy import tenant_tx, use_tenant
from tests.conversations.conftest import Chat

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "How many seats does the Team plan include?"
REFUSAL = "That is not in our handbook."


@pytest.fixture
def base_id(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A base with one document that the published assistant searches."""
    monkeypatch.setattr("parley.jobs.submit.announce", lambda *args, **kwargs: None)
    with tenant_tx(chat.tenant_id):
        base = create_knowledge_base(name="Handbook")
        document = add_document(
            knowledge_base_id=base.id, name="plans.md", content=b"The Team plan includes 15 seats.", media_type=None
        )
    with use_tenant(chat.tenant_id):
        index_document(document_id=document.id)
    with tenant_tx(chat.tenant_id):
        update_draft(assistant_id=chat.assistant_id, knowledge_base_ids=[base.id], refusal=REFUSAL)
        publish(assistant_id=chat.assistant_id)
    made: UUID = base.id
    return made


async def ask(chat: Chat, text: str, *, conversation_id: UUID | None = None) -> None:
    """Ask and wait until the process has nothing more to do for the answer."""
    another: UUID = await in_thread(chat.another_conversation)
    conversation = conversation_id or another

    def send() -> Any:
        with tenant_tx(chat.tenant_id):
            return messages.send_message(conversation_id=conversation, text=text, client_id=text)

    accepted = await in_thread(send)
    await chat.until_ended(accepted.generation_id)
    current = runner._current
    assert current is not None
    if current._tasks:
        await asyncio.wait(set(current._tasks), timeout=8)


def recorded(chat: Chat) -> list[RecordedSearch]:
    with tenant_tx(chat.tenant_id):
        return list(RecordedSearch.objects.order_by("id"))


async def test_an_answer_leaves_what_it_searched_for_in_each_base(chat: Chat, base_id: UUID, running: None) -> None:
    await ask(chat, QUESTION)
    (row,) = await in_thread(recorded, chat)
    assert (row.knowledge_base_id, row.question, row.found_count) == (base_id, QUESTION, 1)
    assert row.best_relevance is not None
    assert 0 < row.best_relevance <= 1
    assert not row.is_refusal
    assert row.embedding is None


async def test_a_refusal_is_recorded_as_one_and_gets_a_vector(chat: Chat, base_id: UUID, running: None) -> None:
    chat.plan(Script(text=f"  {REFUSAL.rstrip('.')} [1] "))
    await ask(chat, QUESTION)
    (row,) = await in_thread(recorded, chat)
    assert row.is_refusal
    assert row.embedding is not None
    assert len(row.embedding) == 384


async def test_greetings_drafts_and_failures_leave_nothing(chat: Chat, base_id: UUID, running: None) -> None:
    """What searched nothing, what an editor tries, and what never became an answer are no real searches."""

    def start_draft() -> UUID:
        with tenant_tx(chat.tenant_id):
            return conversations.start_conversation(
                actor=chat.actor, assistant=chat.assistant_id, channel=Channel.TEST
            ).id

    await ask(chat, "Hello!")
    await ask(chat, QUESTION, conversation_id=await in_thread(start_draft))
    chat.plan(Script(text="   "))
    await ask(chat, QUESTION)
    assert await in_thread(recorded, chat) == []


async def test_an_answer_ends_well_when_its_search_cannot_be_recorded(
    chat: Chat, base_id: UUID, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("apps.conversations.services.searched.record_search", fail)
    accepted = await in_thread(_send_in_new, chat)
    assert (await chat.until_ended(accepted.generation_id)).status == "completed"


async def test_the_readers_have_everything_before_it_is_recorded(
    chat: Chat, base_id: UUID, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement of the history stands between a question and its words: the stored end is there first."""
    seen: list[str] = []

    def look(**values: Any) -> None:
        from apps.conversations.models import Generation

        with tenant_tx():
            seen.append(Generation.objects.get(message_id=values["message_id"]).status)

    monkeypatch.setattr("apps.conversations.services.searched.record_search", look)
    await ask(chat, QUESTION)
    assert seen == ["completed"]


def _send_in_new(chat: Chat) -> Any:
    conversation_id = chat.another_conversation()
    with tenant_tx(chat.tenant_id):
        return messages.send_message(conversation_id=conversation_id, text=QUESTION, client_id="new")


def test_old_searches_are_forgotten_and_only_they(chat: Chat, base_id: UUID, record: Callable[..., Any]) -> None:
    from django.utils import timezone

    old, young = record("How old?"), record("How young?")
    with tenant_tx(chat.tenant_id):
        RecordedSearch.objects.filter(question=old).update(created_at=timezone.now() - searches.KEPT_FOR)
    with use_tenant(chat.tenant_id):
        assert searches.forget_searches() == 1
        assert searches.forget_searches() == 0
    assert [row.question for row in recorded(chat)] == [young]


@pytest.fixture
def record(chat: Chat, base_id: UUID) -> Callable[..., Any]:
    from uuid import uuid4

    def make(question: str) -> str:
        with use_tenant(chat.tenant_id):
            searches.record_search(
                knowledge_base_ids=[base_id],
                question=question,
                found_count=1,
                best_relevance=0.5,
                is_refusal=False,
                conversation_id=uuid4(),
                message_id=uuid4(),
            )
        return question

    return make
