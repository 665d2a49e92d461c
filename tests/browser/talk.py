"""An organisation whose assistant knows a document and answers by script, for tests that talk to it in a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from apps.assistants.services.assistants import create_assistant, update_sharing
from apps.assistants.services.versions import publish
from apps.knowledge.services.documents import add_document
from apps.knowledge.services.knowledge_bases import create_knowledge_base
from parley.llm.fake import FakeProvider, Script
from parley.tenancy import tenant_tx
from tests.factories.tenants import make_tenant, make_user
from tests.gateway.choices import add_model, add_provider

OpenPage = Callable[..., Page]

MODEL = "scripted"
OWNER = "ada@northwind.example"
FACT = "The Team plan includes 15 seats."
QUESTION = "How many seats does the Team plan include?"
ANSWER = f"{FACT[:-1]} [1]. Ask for more at any time."
# Slow enough to be met while it is being written.
SLOW = Script(text=" ".join(f"word{number}" for number in range(400)), token_delay=0.03)


@dataclass
class Talk:
    """An assistant, open to visitors, and the provider behind it."""

    fake: FakeProvider
    tenant: Any
    owner: Any
    assistant: Any
    server_url: str

    @property
    def chat_path(self) -> str:
        return f"/t/{self.tenant.slug}/assistants/{self.assistant.slug}/chat/"

    def plan(self, *scripts: Script) -> None:
        self.fake.script(MODEL, list(scripts))

    def share(self, **changes: Any) -> None:
        with tenant_tx(self.tenant.id):
            update_sharing(assistant_id=self.assistant.id, **changes)


def make_talk(fake: FakeProvider, server_url: str, *, with_document: bool = True) -> Talk:
    """Everything published and indexed."""
    owner = make_user(OWNER, name="Ada Lovelace")
    tenant = make_tenant("Northwind", owner=owner)
    bases = []
    if with_document:
        with tenant_tx(tenant.id):
            base = create_knowledge_base(name="Docs")
        with tenant_tx(tenant.id):
            content = f"# Plans\n\n{FACT} The Solo plan includes one.\n"
            add_document(knowledge_base_id=base.id, name="plans.md", content=content.encode())
        bases = [base.id]
    with tenant_tx(tenant.id):
        model = add_model(add_provider(base_url=fake.base_url), name=MODEL)
        assistant = create_assistant(
            name="Guide",
            instructions="Help people.",
            model_id=model.id,
            knowledge_base_ids=bases,
            opening_message="Ask me about the plans.",
            suggested_questions=[QUESTION, "What does the Solo plan include?"],
        )
        publish(assistant_id=assistant.id)
    return Talk(fake, tenant, owner, assistant, server_url)


def enter(page: Page, talk: Talk) -> None:
    """The owner at the assistant's chat; the session is made behind the scenes, other tests prove signing in."""
    client = Client()
    client.force_login(talk.owner, backend="allauth.account.auth_backends.AuthenticationBackend")
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": talk.server_url}])
    page.goto(talk.chat_path)


def ask(page: Any, text: str = QUESTION) -> None:
    """Type and press Enter. `page` may be a frame."""
    field = page.get_by_label("Your message")
    field.fill(text)
    field.press("Enter")


def last_answer(page: Any) -> Locator:
    """The newest answer, whatever its state."""
    found: Locator = page.locator("[data-answer]").last
    return found


def finished_answer(page: Any) -> Locator:
    """The newest answer once it has ended."""
    answer = last_answer(page)
    expect(answer.locator(".message-actions")).to_be_visible(timeout=15_000)
    return answer
