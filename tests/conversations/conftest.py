"""A tenant whose assistant is answered by a scripted provider over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from apps.assistants.services.assistants import create_assistant
from apps.assistants.services.versions import publish
from apps.conversations.contracts import Accepted
from apps.conversations.enums import Channel
from apps.conversations.models import Generation
from apps.conversations.selectors import find_open_generation
from apps.conversations.services import conversations, messages, runner
from parley.db import in_thread
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from parley.web.actors import Actor, TenantRef
from tests.fixtures import TenantWithKey
from tests.gateway.choices import add_model, add_provider

MODEL = "scripted"


@dataclass
class Chat:
    """One conversation and the provider behind it."""

    fake: FakeProvider
    owner: TenantWithKey
    actor: Actor
    assistant_id: UUID
    conversation_id: UUID

    @property
    def tenant_id(self) -> UUID:
        tenant_id: UUID = self.owner.tenant.id
        return tenant_id

    def plan(self, *scripts: Script) -> None:
        self.fake.script(MODEL, list(scripts))

    def send(self, text: str = "How many seats?", client_id: str = "c1") -> Accepted:
        with tenant_tx(self.tenant_id):
            return messages.send_message(conversation_id=self.conversation_id, text=text, client_id=client_id)

    def another_conversation(self) -> UUID:
        with tenant_tx(self.tenant_id):
            started = conversations.start_conversation(
                actor=self.actor, assistant=self.assistant_id, channel=Channel.API
            )
            return started.id

    def another_conversation_in_thread(self) -> UUID:
        """From inside an event loop: a thread with a connection of its own."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_and_close, self.another_conversation).result()

    def generation(self, generation_id: UUID) -> Generation:
        with tenant_tx(self.tenant_id):
            return Generation.objects.select_related("message").get(id=generation_id)

    def is_busy(self) -> bool:
        with tenant_tx(self.tenant_id):
            return find_open_generation(self.conversation_id) is not None

    async def until_ended(self, generation_id: UUID, *, within: float = 8) -> Generation:
        async with asyncio.timeout(within):
            while True:
                generation = await in_thread(self.generation, generation_id)
                if generation.status not in ("queued", "running"):
                    return generation
                await asyncio.sleep(0.02)


def _and_close(call: Callable[[], UUID]) -> UUID:
    from django.db import connection

    try:
        return call()
    finally:
        connection.close()


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.script(MODEL, Script(text="The Team plan includes 15 seats."))
        yield provider


@pytest.fixture
def chat(transactional_db: None, fake: FakeProvider, tenant_a: Any) -> Chat:
    return make_chat(fake, tenant_a)


def make_chat(fake: FakeProvider, owner: TenantWithKey) -> Chat:
    ref = TenantRef(owner.tenant.id, owner.tenant.slug, owner.tenant.name)
    permissions = frozenset({"conversations.view", "conversations.chat", "conversations.rate"})
    actor = Actor("api_key", None, "tests", ref, permissions)
    with tenant_tx(owner.tenant.id):
        model = add_model(add_provider(base_url=fake.base_url), name=MODEL)
        assistant = create_assistant(name="Guide", instructions="Help people.", model_id=model.id)
        publish(assistant_id=assistant.id)
        conversation = conversations.start_conversation(actor=actor, assistant=assistant.id, channel=Channel.API)
    return Chat(fake, owner, actor, assistant.id, conversation.id)


@pytest.fixture
async def running(transactional_db: None) -> AsyncIterator[None]:
    """A process that runs generations."""
    await runner.start_runner()
    yield
    await runner.stop_runner()
