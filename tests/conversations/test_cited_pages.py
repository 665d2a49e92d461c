"""A citation leads to the web page that the passage was fetched from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from apps.conversations import presentation
from apps.conversations.models import Message
from apps.knowledge.models import Document
from parley.db import in_thread
from parley.llm.fake import Script
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat
from tests.conversations.test_searched import QUESTION, ask, base_id

__all__ = ["base_id"]

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "https://example.com/plans"


async def test_a_citation_carries_the_address_of_its_page(chat: Chat, base_id: UUID, running: None) -> None:
    def fetched_from_the_web() -> None:
        with tenant_tx(chat.tenant_id):
            Document.objects.filter(knowledge_base_id=base_id).update(url=ADDRESS)

    def cited() -> list[dict[str, Any]]:
        with tenant_tx(chat.tenant_id):
            answer = Message.objects.prefetch_related("citations", "ratings", "generations").latest("id")
            found: list[dict[str, Any]] = presentation.message_dict(answer)["citations"]
            return found

    await in_thread(fetched_from_the_web)
    chat.plan(Script(text="The Team plan includes 15 seats [1]."))
    await ask(chat, QUESTION)
    (citation,) = await in_thread(cited)
    assert citation["url"] == ADDRESS
