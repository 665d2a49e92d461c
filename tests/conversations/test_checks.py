"""Verdicts about an answer's sentences: told as they come, kept with the message, shown to members (F-66)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from django.template.loader import render_to_string

from apps.assistants.contracts import Finished, RespondEvent, SentenceChecked
from apps.conversations import presentation
from apps.conversations.services import runs as runs_module
from apps.conversations.ui.context import shown
from parley.db import in_thread
from parley.tenancy import tenant_tx
from tests.conversations.conftest import Chat
from tests.conversations.test_runs import read

pytestmark = pytest.mark.django_db(transaction=True)


async def test_verdicts_are_told_stored_and_shown(chat: Chat, running: None, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = runs_module.respond
    checked = SentenceChecked("The Team plan includes 15 seats.", "contradicted", 0.9, "15", (1,))

    async def respond(**request: Any) -> AsyncGenerator[RespondEvent]:
        async for event in engine(**request):
            if isinstance(event, Finished):
                yield checked
                yield replace(event, checks=(checked,))
            else:
                yield event

    monkeypatch.setattr(runs_module, "respond", respond)
    accepted = await in_thread(chat.send)
    found = await asyncio.wait_for(read(chat, accepted.generation_id), 8)
    assert [frame["seq"] for frame in found] == list(range(1, len(found) + 1))
    (told,) = [frame for frame in found if frame["type"] == "generation.checked"]
    assert (told["sentence"], told["verdict"], told["markers"]) == (checked.sentence, "contradicted", [1])

    def stored() -> None:
        with tenant_tx(chat.tenant_id):
            message = chat.generation(accepted.generation_id).message
            (kept,) = presentation.message_dict(message)["checks"]
            assert kept == presentation.check_dict(checked)
            message_shown = shown(message)
            assert message_shown.doubted == 1
            assert [check.tone for check in message_shown.checks] == ["bad"]
            for_members = render_to_string("conversations/_message.html", {"message": message_shown})
            assert "not supported by the sources" in for_members
            assert "at “15”" in for_members
            for_visitors = render_to_string(
                "conversations/_message.html", {"message": message_shown, "is_public": True}
            )
            assert "not supported" not in for_visitors

    await in_thread(stored)
